"""Changes that lock an administrator out, and the agent killed right after the trial began.

`python -m tests.chaos.lockout --times 50 --backend nft` proves for each change that he is in before
it and out after it, kills the agent with SIGKILL, and opens new connections until one gets in. Web,
worker, Redis and database have no part in it: they are not even there. It prints a line a change,
and ends with 0 only if each was back within the window and a second.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firewall.ruleset.types import Intent, Service
from lab.world import World
from tests.kernel.bench import SSH, Bench, intent

#: The administrator sits at the attacker's address, which no built-in network holds.
OFFICE = ("203.0.113.66/32", "2001:db8:113::66/128")
WIDE = ("203.0.113.64/26", "2001:db8:113::/64")
PORT = 8080


@dataclass(frozen=True)
class Lockout:
    """A change that shuts the administrator out of `port` in these families."""

    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    port: int = SSH
    families: tuple[int, ...] = (4, 6)


def _all(networks: tuple[str, ...]) -> dict[str, Any]:
    return {"management": networks}


SERVICE = {"services": (Service("tcp", PORT, PORT),)}
LOCKOUTS = (
    Lockout("both networks removed", _all(OFFICE), _all(())),
    Lockout("IPv4 network removed", _all(OFFICE), _all(OFFICE[1:]), families=(4,)),
    Lockout("IPv6 network removed", _all(OFFICE), _all(OFFICE[:1]), families=(6,)),
    Lockout("networks replaced by wrong ones", _all(OFFICE), _all(("198.51.100.0/24",))),
    Lockout("network narrowed past him", _all(WIDE), _all(("203.0.113.96/27",))),
    Lockout("management port removed", _all(OFFICE) | {"management_ports": (PORT,)},
            _all(OFFICE), PORT),
    Lockout("service removed", SERVICE, {}, PORT),
    Lockout("service narrowed to another network", SERVICE,
            {"services": (Service("tcp", PORT, PORT, "198.51.100.0/24"),)}, PORT),
    Lockout("SIP port moved onto his port", _all(OFFICE) | {"management_ports": (PORT,)},
            _all(OFFICE) | {"sip_port": PORT}, PORT),
    Lockout("networks removed, RTP range moved", _all(OFFICE),
            {"rtp_first": 20_000, "rtp_last": 30_000}),
)  # fmt: skip


def once(bench: Bench, change: Lockout, window: int, kill: Callable[[], None]) -> dict[str, Any]:
    """Begin the change, kill, and knock until the administrator is in again."""
    bench.channel.apply(intent(generation=1, **change.before), bench.fence())
    inside = [bench.connect("attacker", f, change.port) for f in change.families]
    begun = time.monotonic()
    told = bench.channel.apply(wanted(change), bench.fence(), window)
    began = time.monotonic()
    kill()
    out = [bench.connect("attacker", f, change.port) for f in change.families]
    back = [_back(bench, f, change.port, began + window + 5) for f in change.families]
    return {
        "change": change.name,
        "families": change.families,
        "tried": told.get("trial", {}).get("changes"),
        "in_before": inside,
        "out_during": out,
        "back_after": [round(at - begun, 2) for at in back],
        "late": round(max(back) - began - window, 2),
    }


def wanted(change: Lockout) -> Intent:
    """The intent that locks him out."""
    return intent(generation=2, **change.after)


def _back(bench: Bench, family: int, port: int, deadline: float) -> float:
    while bench.connect("attacker", family, port) != "open":
        if time.monotonic() > deadline:
            return float("inf")
    return time.monotonic()


def good(line: dict[str, Any]) -> bool:
    """Whether he was in, was out, and came back within the window and a second."""
    was = set(line["in_before"]) == {"open"} and "open" not in line["out_during"]
    return bool(was and line["tried"] and line["late"] <= 1.0)


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--backend", default="nft", choices=("nft", "legacy"))
    given = parser.parse_args()
    dice, failed = random.Random(given.backend), 0
    order = [LOCKOUTS[n % len(LOCKOUTS)] for n in range(given.times)]
    dice.shuffle(order)
    with tempfile.TemporaryDirectory(prefix="ddiweb-lockout-") as text:
        folder = Path(text)
        with World.start(folder / "world") as world:
            bench = Bench(world, given.backend, folder / "agent")
            for change in order:
                bench.start_agent()
                line = once(bench, change, given.window, bench.kill_agent)
                failed += not good(line)
                print(json.dumps(line | {"good": good(line)}), flush=True)
            bench.end()
    print(f"{given.times - failed} of {given.times} back within {given.window} + 1 s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
