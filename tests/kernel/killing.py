"""kill -9 of the restore, and of the agent, at random instants: wholly the old rules or the new.

`python -m tests.kernel.killing --backend nft --count 1000` runs the whole proof for one backend.
The rules are compared as packets meet them: all that can be reached from INPUT, the generation of
chains left out of their names, for a long ruleset is loaded beside the one in force.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ddiweb.deploy.errors import DeployError
from firewall.channel import AgentChannel
from firewall.ruleset.parse import parse_save
from firewall.ruleset.types import Intent
from lab.world import World
from tests.kernel.bench import Bench, intent, token

_SLOT = re.compile(r"\bDDI[a-z]-")
_LONG = (20, 60, 450)  # tokens; the last does not fit into one message of nft


@dataclass
class Tally:
    """What was found after the kills, by family; `between` must stay empty."""

    old: int = 0
    new: int = 0
    between: list[str] = field(default_factory=list)
    restores: int = 0  # kills that hit a running restore
    agents: int = 0


def met(bench: Bench, family: int) -> str:
    """A hash of the rules that a packet can meet."""
    dump = parse_save(bench.run(bench.tables(family)))
    lines: list[str] = []
    todo, seen = ["INPUT"], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for rule in dump.chains.get(name, []):
            lines.append(f"{name} {rule}")
            if (target := rule.split()[-1]) in dump.chains:
                todo.append(target)
    return hashlib.sha256(_SLOT.sub("DDI-", "\n".join(sorted(lines))).encode()).hexdigest()


def pair(size: int) -> tuple[Intent, Intent]:
    """Two intents that have hardly a rule in common."""
    one = intent(tokens=tuple(token(mark) for mark in range(1, size)))
    other = intent(
        tokens=tuple(token(mark) for mark in range(size, 2 * size)),
        vendors=(),
        revoked=(1, 2, 3),
        management_ports=(8080,),
    )
    return one, other


def kill(bench: Bench, count: int, seed: int = 1, minutes: float = 60) -> Tally:
    """Kill `count` times, at random instants of applies that alternate between two intents.

    After `minutes` it ends with as many as there are.
    """
    dice, tally = random.Random(seed), Tally()
    begun = time.monotonic()
    for part, size in enumerate(_LONG, 1):
        end = begun + minutes * 60 * part / len(_LONG)
        hashes: dict[int, dict[int, str]] = {}
        intents = pair(size)
        took = [_timed(bench, one) for one in intents]
        for number, wanted in enumerate(intents):
            bench.channel.apply(wanted, bench.fence())
            hashes[number] = {family: met(bench, family) for family in (4, 6)}
        now = 1
        for _ in range(count // len(_LONG)):
            if time.monotonic() > end:
                break
            _kill_once(bench, intents[1 - now], dice, max(took), tally)
            for family in (4, 6):
                found = met(bench, family)
                if found == hashes[now][family]:
                    tally.old += 1
                elif found == hashes[1 - now][family]:
                    tally.new += 1
                else:
                    tally.between.append(f"v{family} {size} tokens")
            now = 1 - now
            _converge(bench, intents[now])
    return tally


def _timed(bench: Bench, wanted: Intent) -> float:
    begun = time.monotonic()
    bench.channel.apply(wanted, bench.fence())
    return time.monotonic() - begun


def _kill_once(
    bench: Bench, wanted: Intent, dice: random.Random, seconds: float, tally: Tally
) -> None:
    """Kill the agent or its child somewhere within an apply."""
    fence = bench.fence()
    applying = threading.Thread(target=_apply, args=(bench, wanted, fence))
    applying.start()
    assert bench.agent
    agent = bench.agent.pid
    if dice.random() < 0.5:  # anywhere
        time.sleep(dice.uniform(0, seconds))
        child = _restore_of(agent)
    else:  # within a restore
        child = None
        skip = dice.choice((0, 0, 1, 2))  # of v4, of v6, of the pieces of a long one
        last, deadline = None, time.monotonic() + seconds * 2
        while time.monotonic() < deadline:
            found = _restore_of(agent)
            if found and found != last:
                last, skip = found, skip - 1
                if skip < 0:
                    child = found
                    break
            time.sleep(0.0005)
        time.sleep(dice.uniform(0, 0.012))
    tally.restores += child is not None
    victims = dice.choice(((child,), (agent,), (child, agent)))
    if agent in victims:
        tally.agents += 1
    for victim in victims:
        if victim is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    applying.join()
    if agent in victims:
        bench.agent.wait(10)
        _wait_for_end(child)
        bench.agent = None


def _apply(bench: Bench, wanted: Intent, fence: int) -> None:
    with contextlib.suppress(DeployError):
        AgentChannel(bench.socket, timeout=30).apply(wanted, fence)


def _restore_of(agent: int) -> int | None:
    """The agent's running iptables-restore or ipset, if there is one (proc(5), children)."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{agent}/task").iterdir():
            for child in (task / "children").read_text().split():
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"-restore" in line or b"restore\0" in line:
                    return int(child)
    return None


def _wait_for_end(child: int | None) -> None:
    """An orphaned restore goes on to its end; its rules are what is to be judged."""
    deadline = time.monotonic() + 20
    while child is not None and Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.005)


def _converge(bench: Bench, wanted: Intent) -> None:
    """Start the agent if it is dead, and bring the intent about without disturbance."""
    if bench.agent is None:
        bench.start_agent()
    bench.channel.apply(wanted, bench.fence())


def main() -> int:
    """Run one backend; prints one JSON line, exit 1 if rules between old and new were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("nft", "legacy"), required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, World.start(Path(folder, "world")) as world:
        bench = Bench(world, given.backend, Path(folder, "agent"))
        try:
            bench.start_agent()
            tally = kill(bench, given.count, minutes=given.minutes)
        finally:
            bench.end()
    print(json.dumps(vars(given) | vars(tally)))
    return int(bool(tally.between))


if __name__ == "__main__":
    sys.exit(main())
