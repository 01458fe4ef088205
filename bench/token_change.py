"""One token more or less among 10,000 others: from the call of the agent to the packet let in.

What is timed is `amend` on the real kernel: until the first REGISTER with the new token reaches the
server (or the first with the revoked one does not), and until the agent has read it back, ended
the old flows and answered. Beside it the same change by a whole `apply`.
"""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.result import Result, median, p95
from firewall.ruleset.types import Token
from lab.world import World
from tests.kernel.bench import SIP, SRV, STRANGER, Bench, intent, register, token

TOKENS = int(os.environ.get("DDIWEB_BENCH_TOKENS", "10000"))
CHANGES = 20
WHOLE = 3
AFTER = 0.02  # seconds for which packets are sent after the answer


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
        Result(f"{name}-{way}-{what}-{word}-{backend}", figure(took), "ms",
               "the same by a whole apply", median(whole) / figure(took), goal, CHANGES)
        for way, both in (("added", added), ("revoked", dropped))
        for what, took, goal in zip(
            ("effect", "proved"), zip(*both, strict=True), ("under 100 ms", ""), strict=True
        )
        for word, figure in (("median", median), ("p95", p95))
    ]  # fmt: skip


def _whole(bench: Bench, held: tuple[Token, ...], count: int) -> float:
    wanted = intent(tokens=(*held, *(token(TOKENS + 1 + n) for n in range(count + 1))))
    fence = bench.fence()
    begun = time.perf_counter()
    bench.channel.apply(wanted, fence)
    return (time.perf_counter() - begun) * 1000


def _change(bench: Bench, mark: int, fence: int, *, add: bool) -> tuple[float, float]:
    """Milliseconds to the effect, and to the agent's answer: read back, the old flows ended.

    A stranger sends REGISTERs all the while, so the effect is known to the distance of two.
    """
    stream, sent = bench.hands["attacker"].udp(4, STRANGER[4]), {}
    with ThreadPoolExecutor(1) as beside:
        given, taken = ([token(mark)], []) if add else ([], [mark])
        begun = time.perf_counter()
        asked = beside.submit(_timed, bench, given, taken, fence)
        while not asked.done() or time.perf_counter() < begun + asked.result() + AFTER:
            packet = register(token(mark).value)
            stream.send(packet, SRV[4], SIP)
            # Behind it: a sender that had to wait for a core must not make the change look quicker.
            sent[packet] = time.perf_counter() - begun
            time.sleep(0.001)
    stream.close()
    arrived = set(bench.arrived(4))
    turned = [at for packet, at in sent.items() if (packet in arrived) is add]
    assert turned, f"token {mark}: the change had no effect"
    first = min(turned)
    later = sum(at >= first for at in sent.values())
    assert later == len(turned) < len(sent), f"token {mark}: the effect did not last"
    return first * 1000, asked.result() * 1000


def _timed(bench: Bench, given: list[Token], taken: list[int], fence: int) -> float:
    begun = time.perf_counter()
    bench.channel.amend(given, taken, fence)
    return time.perf_counter() - begun
