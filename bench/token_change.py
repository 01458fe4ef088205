"""One token more or less among 10,000 others: from the call of the agent to the packet let in.

What is timed is `amend` on the real kernel, until a REGISTER with the new token has reached the
server (or the revoked one's no longer does); beside it the same change by a whole `apply`.
"""

import os
import tempfile
import time
from pathlib import Path

from bench.result import Result, median, p95
from firewall.ruleset.types import Token
from lab.world import World
from tests.kernel.bench import SIP, SRV, STRANGER, Bench, intent, register, token

TOKENS = int(os.environ.get("DDIWEB_BENCH_TOKENS", "10000"))
CHANGES = 20
WHOLE = 3


def run() -> list[Result]:
    """Measure both backends; returns the results."""
    results: list[Result] = []
    for backend in ("nft", "legacy"):
        with (
            tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder,
            World.start(Path(folder) / "world") as world,
        ):
            bench = Bench(world, backend, Path(folder) / "agent")
            try:
                bench.start_agent()
                results += _measure(bench, backend)
            finally:
                bench.end()
    return results


def _measure(bench: Bench, backend: str) -> list[Result]:
    held = tuple(token(mark) for mark in range(1, TOKENS + 1))
    bench.apply(tokens=held)
    whole = [_whole(bench, held, count) for count in range(WHOLE)]
    fence = bench.fence()
    marks = range(TOKENS + 100, TOKENS + 100 + CHANGES)
    added = [_change(bench, mark, fence, add=True) for mark in marks]
    dropped = [_change(bench, mark, fence, add=False) for mark in marks]
    name = f"one-token-of-{TOKENS}"
    return [
        Result(f"{name}-{way}-{word}-{backend}", figure(took), "ms", "the same by a whole apply",
               median(whole) / figure(took), "p95 under 100 ms" if word == "p95" else "", CHANGES)
        for way, took in (("added", added), ("revoked", dropped))
        for word, figure in (("median", median), ("p95", p95))
    ]  # fmt: skip


def _whole(bench: Bench, held: tuple[Token, ...], count: int) -> float:
    wanted = intent(tokens=(*held, *(token(TOKENS + 1 + n) for n in range(count + 1))))
    fence = bench.fence()
    begun = time.perf_counter()
    bench.channel.apply(wanted, fence)
    return (time.perf_counter() - begun) * 1000


def _change(bench: Bench, mark: int, fence: int, *, add: bool) -> float:
    phone = bench.hands["attacker"].udp(4, STRANGER[4])
    begun = time.perf_counter()
    bench.channel.amend([token(mark)] if add else [], [] if add else [mark], fence)
    phone.send(register(token(mark).value), SRV[4], SIP)
    came = bool(bench.arrived(4))
    took = (time.perf_counter() - begun) * 1000
    phone.close()
    assert came is add, f"token {mark} is {'not ' * add}let in after the change"
    return took
