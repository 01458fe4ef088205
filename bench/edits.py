"""From an edit to its effect: a new peer, until its REGISTER is answered with 200.

Measured from before the request that stores the peer, so the panel's own work and the commit are
within the figure; the end is a real REGISTER through the real firewall to the real Asterisk.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.result import Result, median, p95
from lab.stack import Stack

EDITS = 25
SIZES = (30, 100)
#: Edits in quick succession share a deployment (DDIWEB_DEPLOY_QUIET): here each is alone.
CALM = 1.2


def run() -> list[Result]:
    """Measure at each size; returns the results."""
    with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
        stack = Stack.start(Path(folder))
        try:
            found = {size: _measure(stack, size) for size in SIZES}
        finally:
            stack.stop()
    small, large = found[SIZES[0]], found[SIZES[-1]]
    return [
        Result(
            f"edit-in-force-p95-{SIZES[-1]}-peers", p95(large), "s",
            f"the same with {SIZES[0]} peers", p95(small) / p95(large), "p95 under 1 s", EDITS,
        ),
        Result(
            f"edit-in-force-median-{SIZES[-1]}-peers", median(large), "s",
            f"the same with {SIZES[0]} peers", median(small) / median(large), "", EDITS,
        ),
    ]  # fmt: skip


def _measure(stack: Stack, size: int) -> list[float]:
    # Peers stay as they are measured: at the end there are `size` of them.
    while (have := int(stack.ask("GET", "/peers/")["count"])) < size - EDITS:
        stack.peer(f"Filler {have}")
    stack.settled(60)
    return [_edit(stack, f"Bench {size} {count}") for count in range(EDITS)]


def _edit(stack: Stack, name: str) -> float:
    time.sleep(CALM)
    with stack.line("attacker", timeout=0.05) as say:
        begun = time.monotonic()
        made = stack.peer(name)
        while not _registers(say, made):
            if time.monotonic() - begun > 30:
                raise TimeoutError(f"{name} is not in force after 30 s")
        took = time.monotonic() - begun
    return took


def _registers(say: Any, made: dict[str, Any]) -> bool:
    status = say(
        "register",
        user=made["username"],
        password=made["password"],
        user_agent=made["token"],
    )["status"]
    return bool(status == 200)
