"""Call records are complete and single though ddiweb is killed while calls are made.

``python -m tests.chaos.records --calls 300`` makes calls from a vendor while watch, worker, web and
Redis are killed with SIGKILL again and again, and compares the panel's call log with the calls. It
prints one JSON line and ends with 0 only if each call that was answered has exactly one record.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.process import wait_until
from lab.stack import Stack
from tests.chaos.ground import Ground

VICTIMS = ("watch", "watch", "worker", "web", "redis")


def run(ground: Ground, calls: int, seed: int) -> dict[str, Any]:
    """Make calls, each from a number of its own, and kill meanwhile."""
    dice, stack = random.Random(seed), ground.stack
    callers = [f"4420{seed % 100:02}{number:06}" for number in range(calls)]
    statuses: dict[str, int] = {}
    kills: Counter[str] = Counter()
    for at in range(0, calls, 20):
        child = ground.calls(callers[at : at + 20])
        while child.poll() is None:
            victim = dice.choice(VICTIMS)
            stack.kill(victim)
            kills[victim] += 1
            time.sleep(dice.uniform(0.05, 1.2))
        assert child.stdout
        for line in child.stdout:
            end = json.loads(line)
            statuses[end["id"]] = end["status"]
    answered = {caller for caller, status in statuses.items() if status}

    def recorded() -> list[str]:
        rows = stack.every("/calls/")
        return [row["caller"] for row in rows if row["caller"] in set(callers)]

    def complete() -> bool:
        try:
            return answered <= set(recorded())
        except OSError:
            return False  # web is being started again

    begun = time.monotonic()
    with contextlib.suppress(LabError):
        wait_until(complete, 60, "all records are there")
    found = Counter(recorded())
    return {
        "calls": calls,
        "answered": len(answered),
        "records": sum(found.values()),
        "lost": sorted(answered - set(found)),
        "doubled": sorted(one for one, count in found.items() if count > 1),
        "kills": dict(kills),
        "complete_after": round(time.monotonic() - begun, 1),
    }


def good(told: dict[str, Any]) -> bool:
    """Whether nothing is lost or doubled, and most calls came through."""
    return not told["lost"] and not told["doubled"] and told["answered"] > told["calls"] * 0.8


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ddiweb-records-") as text:
        stack = Stack.start(Path(text))
        try:
            told = run(Ground(stack), given.calls, given.seed)
        finally:
            stack.stop()
    print(json.dumps(told))
    return 0 if good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
