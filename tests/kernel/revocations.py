"""Revocations with calls and qualify live: after the agent's answer, nothing of the phone passes.

``python -m tests.kernel.revocations [--count 1000] [--backend nft]`` runs the whole proof; the
tests run a few. The phones go on sending all they can, and the server goes on asking and talking
to them, IPv4 and IPv6, until the batch ends: what comes through long after counts as well.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.tools import tool
from lab.world import World
from tests.kernel.bench import ROOT, Bench, intent, token

BATCH = 8  # phones that live at once, each with addresses of its own
WATCHED = 0.15  # seconds that a batch is watched after each revocation
_FIRST = 120  # of the addresses 203.0.113.x and 2001:db8:113::x


@dataclass
class Result:
    """What was counted; ``fence`` is the next one that the agent has not seen."""

    fence: int = 0

    revocations: int = 0
    passed: dict[str, int] = field(default_factory=dict)
    alive: int = 0
    took: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        took = sorted(self.took)
        return (
            f"{self.revocations} revocations: {sum(self.passed.values())} datagrams of revoked "
            f"phones passed {self.passed or ''}, {self.alive} of the others; "
            f"the agent answered in {took[len(took) // 2] * 1000:.0f} ms (median), "
            f"{took[-1] * 1000:.0f} ms (slowest)"
        )


class Actor:
    """A child of ``live_phones`` in a namespace."""

    def __init__(self, world: World, place: str, role: str) -> None:
        argv = world.argv(place, [sys.executable, "-m", "tests.kernel.live_phones", role], cwd=ROOT)
        self.child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, action: str, **values: Any) -> Any:
        """Run a command there and return its answer."""
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.write(json.dumps({"do": action, **values}) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def end(self) -> None:
        """End it."""
        assert self.child.stdin
        self.child.stdin.close()
        self.child.wait(5)


def addresses(world: World) -> None:
    """Give the attacker's namespace an address a phone, in both families."""
    command = tool("ip")
    for number in range(_FIRST, _FIRST + BATCH):
        for address in (f"203.0.113.{number}/24", f"2001:db8:113::{number}/64"):
            extra = ["nodad"] if ":" in address else []
            line = command.line("address", "add", address, "dev", "eth0", *extra)
            world.run("attacker", line, env=command.env)


def prove(bench: Bench, count: int) -> Result:
    """Revoke ``count`` phones, a batch after another."""
    for one in (*bench.sip.values(), *bench.rtp.values()):
        one.close()
    addresses(bench.world)
    result = Result()
    server, phones = Actor(bench.world, "srv", "server"), Actor(bench.world, "attacker", "phones")
    result.fence = bench.fence()
    try:
        for first in range(1, count + 1, BATCH):
            marks = list(range(first, min(first + BATCH, count + 1)))
            _batch(bench, server, phones, marks, result)
    finally:
        server.end()
        phones.end()
    return result


def _batch(bench: Bench, server: Actor, phones: Actor, marks: list[int], result: Result) -> None:
    live = list(marks)
    bench.channel.apply(intent(tokens=tuple(map(token, live))), result.fence)
    _all_live(server, phones, marks)
    ended: dict[int, int] = {}
    for mark in marks:
        result.fence += 1
        live.remove(mark)
        begun = time.monotonic()
        if mark % 2:
            bench.channel.revoke([mark], result.fence)
        else:
            wanted = intent(tokens=tuple(map(token, live)), revoked=(*ended, mark))
            bench.channel.apply(wanted, result.fence)
        ended[mark] = time.monotonic_ns()
        result.took.append(time.monotonic() - begun)
        time.sleep(WATCHED)
        for other in live:
            result.alive += sum(server.do("since", phone=other, at=ended[mark]).values())
    for mark, at in ended.items():
        for kind, number in server.do("since", phone=mark, at=at).items():
            result.passed[kind] = result.passed.get(kind, 0) + number
    result.revocations += len(ended)
    phones.do("start", phones=[])
    result.fence += 1


def _all_live(server: Actor, phones: Actor, marks: list[int]) -> None:
    """Start the phones and wait until all four flows of each one got through."""
    server.do("forget")
    wanted = [
        {
            "id": mark,
            "token": token(mark).value,
            "v4": f"203.0.113.{_FIRST + index}",
            "v6": f"2001:db8:113::{_FIRST + index}",
        }
        for index, mark in enumerate(marks)
    ]
    flows = phones.do("start", phones=wanted)
    deadline = time.monotonic() + 20
    while len(server.do("flows")) < flows:
        assert time.monotonic() < deadline, server.do("flows")
        time.sleep(0.02)


def run(backend: str, count: int, folder: Path) -> Result:
    """Build a world with an agent for ``backend``, and prove."""
    with World.start(folder / "world") as world:
        bench = Bench(world, backend, folder / "agent")
        try:
            bench.start_agent()
            return prove(bench, count)
        finally:
            bench.end()


def main() -> int:
    """Run the whole proof; 0 if nothing passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernel.revocations")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--backend", choices=["nft", "legacy"], action="append")
    given = parser.parse_args()
    bad = 0
    for backend in given.backend or ["nft", "legacy"]:
        with tempfile.TemporaryDirectory(prefix="revoke.") as folder:
            result = run(backend, given.count, Path(folder))
            print(f"{backend}: {result}", flush=True)
            bad += sum(result.passed.values())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
