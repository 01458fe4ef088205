"""Generated values through the real kernel: what it shows again means what was meant.

`python -m tests.kernel.readback --backend nft --count 20000` runs the whole proof for one backend.
A thousand values at a time, each in a place of its own, are applied by the agent's own way; then
`iptables-save`, `ip6tables-save` and `ipset save` are read and compared with the values.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Literal

from firewall.ruleset.parse import parse_save, parse_sets
from lab.world import World
from tests.crowd import Crowd
from tests.hostile import Hostile
from tests.kernel.bench import Bench
from tests.meaning import meaning

_FAMILIES: tuple[Literal[4, 6], ...] = (4, 6)


def read_back(bench: Bench, count: int, seed: int = 1, size: int = 1000) -> Counter[str]:
    """Bring values about until `count` were read back; AssertionError at the first other one."""
    hostile, tally = Hostile(seed), Counter[str]()
    while tally["taken"] < count:
        # Hostile values end before the kernel, so few: most are odd but right.
        crowd = Crowd(hostile, wild=0.2).fill(size)
        answer = bench.channel.apply(crowd.intent, bench.fence())
        assert answer["changed"], "an apply that changes nothing proves nothing"
        sets = parse_sets(bench.run("ipset", "save"))
        for version in _FAMILIES:
            found = meaning(parse_save(bench.run(bench.tables(version))), sets)
            assert found == crowd.meaning(version)
        tally += crowd.tally
        tally["loads"] += 1
    return tally


def main() -> int:
    """Run one backend; prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("nft", "legacy"), required=True)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given, begun = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, World.start(Path(folder, "world")) as world:
        bench = Bench(world, given.backend, Path(folder, "agent"))
        try:
            bench.start_agent()
            tally = read_back(bench, given.count, given.seed)
        finally:
            bench.end()
    print(json.dumps(vars(given) | tally | {"seconds": round(time.monotonic() - begun)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
