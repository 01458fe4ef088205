"""From an edit to its effect: a peer is switched on, until its REGISTER is answered with 200.

Two kinds of edit, through the admin's form and through the REST API. Measured from before the
request, so the panel's own work and the commit are within the figure; the end is a real REGISTER
that the real firewall lets through to the real Asterisk.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.panel import Panel
from bench.result import Result, median, p95
from lab.stack import Stack

EDITS = 20
SIZES = (10, 100)
#: Edits in quick succession share a deployment (DDIWEB_DEPLOY_QUIET): here each is alone.
CALM = 1.2
Edit = Callable[[dict[str, Any]], None]


def run() -> list[Result]:
    """Measure both kinds at each size; returns the results."""
    with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
        stack = Stack.start(Path(folder))
        try:
            return _both(stack)
        finally:
            stack.stop()


def _both(stack: Stack) -> list[Result]:
    panel = Panel(stack.url, "admin", stack.password())
    edits: dict[str, Edit] = {
        "admin": lambda peer: panel.save(f"/peers/peer/{peer['id']}/change/", {"enabled": "on"}),
        "api": lambda peer: stack.ask("PATCH", f"/peers/{peer['id']}/", {"enabled": True}),
    }
    found = {}
    for size in SIZES:
        _fill(stack, size)
        for kind, edit in edits.items():
            found[kind, size] = [_measure(stack, edit, f"{kind} {size} {n}") for n in range(EDITS)]
    small, large = SIZES
    against = f"the same with {small} peers"
    results = []
    for kind in edits:
        few, many = found[kind, small], found[kind, large]
        name = f"{kind}-edit-in-force"
        results += [
            Result(f"{name}-p95-{large}-peers", p95(many), "s", against, p95(few) / p95(many),
                   "p95 under 1 s", EDITS),
            Result(f"{name}-median-{large}-peers", median(many), "s", against,
                   median(few) / median(many), "", EDITS),
        ]  # fmt: skip
    return results


def _fill(stack: Stack, size: int) -> None:
    while (have := int(stack.ask("GET", "/peers/")["count"])) < size:
        stack.peer(f"Filler {have}")
    stack.settled(60)


def _measure(stack: Stack, edit: Edit, name: str) -> float:
    made = stack.peer(name, enabled=False)
    stack.settled()
    time.sleep(CALM)
    login = {"user": made["username"], "password": made["password"]}
    with stack.line("attacker", timeout=0.05) as say:
        begun = time.monotonic()
        edit(made)
        while say("register", **login, user_agent=made["token"])["status"] != 200:
            if time.monotonic() - begun > 30:
                raise TimeoutError(f"{name} is not in force after 30 s")
        took = time.monotonic() - begun
    stack.ask("DELETE", f"/peers/{made['id']}/")
    stack.settled()
    return took
