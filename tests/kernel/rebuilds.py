"""Rebuilds by the agent's own way under traffic: nothing allowed is lost, nothing else gets in.

`python -m tests.kernel.rebuilds --backend nft --count 5000` runs the whole proof for one backend.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from firewall.ruleset.types import Intent
from lab.world import World
from tests.kernel.bench import Bench, token
from tests.kernel.load import DEAD, Load, Outcome, standing

RULESETS = 24
_SIZES = (1, 2, 9, 17, 40, 150, 300)
_LARGE = 500  # more tokens than fit into one message of nft without privilege


def rulesets(seed: int) -> list[Intent]:
    """Distinct intents: tokens come and go, are revoked, vendors, bans and ports alternate."""
    dice = random.Random(seed)
    return [_ruleset(dice, number) for number in range(RULESETS)]


def _ruleset(dice: random.Random, number: int) -> Intent:
    count = _LARGE if number == RULESETS - 1 else dice.choice(_SIZES)
    marks = dice.sample(range(2, 800), count - 1)
    dead = dice.sample(range(DEAD + 1, DEAD + 80), dice.choice((0, 1, 5, 40)))
    return standing(
        generation=number + 1,
        tokens=(token(1), *map(token, marks)),
        revoked=(DEAD, *dead),
        vendors=tuple(f"198.51.100.{n}/32" for n in dice.sample(range(200), dice.randrange(5))),
        bans=tuple(f"192.0.2.{n}/32" for n in dice.sample(range(200), dice.randrange(30))),
        management=dice.choice(((), ("203.0.113.128/25",))),
        management_ports=dice.choice(((), (8080,))),
    )


def rebuild(
    bench: Bench, count: int, seed: int = 1, minutes: float = 60
) -> tuple[Outcome, list[float]]:
    """Apply `count` rulesets, no two alike in a row, under load; outcome and seconds of each.

    After `minutes` it ends with as many as there are.
    """
    wanted, took = rulesets(seed), []
    order = random.Random(seed)
    before = -1
    fence, end = bench.fence(), time.monotonic() + minutes * 60
    with Load(bench) as load:
        while len(took) < count and time.monotonic() < end:
            now = order.choice([n for n in range(RULESETS) if n != before])
            begun = time.monotonic()
            answer = bench.channel.apply(wanted[now], fence)
            took.append(time.monotonic() - begun)
            assert answer["changed"], "an apply that changes nothing proves nothing"
            before = now
    return load.outcome, took


def main() -> int:
    """Run one backend; prints one JSON line, exit 1 unless nothing was lost or admitted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("nft", "legacy"), required=True)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, World.start(Path(folder, "world")) as world:
        bench = Bench(world, given.backend, Path(folder, "agent"))
        try:
            bench.start_agent()
            outcome, took = rebuild(bench, given.count, minutes=given.minutes)
        finally:
            bench.end()
    told: dict[str, Any] = vars(given) | vars(outcome)
    told["done"] = len(took)
    print(json.dumps(told | {"median_ms": round(sorted(took)[len(took) // 2] * 1000)}))
    return int(outcome.lost > 0 or outcome.admitted > 0)


if __name__ == "__main__":
    sys.exit(main())
