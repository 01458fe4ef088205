"""What the panel shows of Asterisk, measured, and again after kill -9 of watch, Redis and Asterisk.

``python -m tests.chaos.watching --times 200`` first measures how long after the event a contact
that is lost, a trunk that is down and a wrong password are in the database (at most 2 s), then
kills at random instants around registrations, calls and a vendor that comes and goes, and measures
for how long the panel shows something else than Asterisk holds (at most 30 s). Each line tells the
machine's load, what was waited for and since when; one of more than 15 s also what the services
said meanwhile. It ends with 0 only if all of it was in time.
"""

import argparse
import contextlib
import functools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.process import wait_until
from lab.stack import Stack
from peers.realtime.ami import AmiClient
from peers.realtime.ami_message import Message
from tests.chaos.ground import Ground

SOON, LONG, LATE = 2.0, 15.0, 30.0
SPEAKERS = ("sandbox.log", "log/watch.log")
VICTIMS = ("watch", "redis", "asterisk")


def _event(client: AmiClient, wanted: Callable[[Message], bool]) -> float:
    """When an event came, by the monotonic clock."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        event = client.next_event(1.0)
        if event is not None and wanted(event):
            return time.monotonic()
    raise LabError("the event did not come")


def delays(ground: Ground, times: int) -> dict[str, float]:
    """The longest times in seconds from the event to the database, by kind."""
    kinds = {"contact lost": _contact, "wrong password": _password, "trunk down": _trunk}
    return {
        name: round(max(measure(ground) for _ in range(times)), 2)
        for name, measure in kinds.items()
    }


def _contact(ground: Ground) -> float:
    contacts = functools.partial(ground.stack.rows, "/contacts/")
    with ground.stack.line("phone", timeout=3) as say:
        count = len(contacts())
        assert say("register", **ground.login())["status"] == 200
        wait_until(lambda: len(contacts()) > count, 10, "it is shown")
        assert say("register", **ground.login(), expires=0)["status"] == 200
        begun = time.monotonic()  # of phones, which it does not hold, Asterisk tells no event
        wait_until(lambda: len(contacts()) == count, 20, "it is gone")
        return time.monotonic() - begun


def _password(ground: Ground) -> float:
    path = f"/security-events/?kind=wrong_password&node={ground.node}"
    count = ground.stack.ask("GET", path)["count"]
    with ground.stack.line("phone", timeout=3) as say:
        assert say("register", **ground.login(password="wrong"))["status"] == 401
    begun = time.monotonic()
    wait_until(lambda: ground.stack.ask("GET", path)["count"] > count, 20, "it is noted")
    return time.monotonic() - begun


def _trunk(ground: Ground) -> float:
    with ground.ami(events=True) as client:

        def asked(status: str) -> float:
            """Let Asterisk ask the vendor; when it knew."""
            client.action("PJSIPQualify", Endpoint=ground.trunk_key)
            return _event(
                client,
                lambda one: (
                    (one.get("AOR"), one.get("ContactStatus")) == (ground.trunk_key, status)
                ),
            )

        with ground.answering():
            asked("Reachable")
            wait_until(lambda: ground.shown().trunk is True, 20, "the trunk is up")
        begun = asked("Unreachable")
        wait_until(lambda: ground.shown().trunk is False, 20, "the trunk is down")
        return time.monotonic() - begun


def kill(ground: Ground, dice: random.Random, number: int) -> dict[str, Any]:
    """One kill around one change; how long the panel was wrong, infinite if it stays so."""
    victim = dice.choice(VICTIMS)
    change = dice.choice(("register", "unregister", "call", "vendor"))
    lead = dice.uniform(-0.4, 0.4)
    with contextlib.ExitStack() as stack:
        say = stack.enter_context(ground.stack.line("phone", timeout=0.5))

        def act() -> None:
            if change in ("register", "unregister"):
                say("register", **ground.login(), expires=0 if change == "unregister" else 120)
            elif change == "call":
                say("register", **ground.login())
                stack.callback(ground.calls([f"4416{number:07}"]).wait)
            else:
                stack.enter_context(ground.answering())

        if lead > 0:
            act()
        time.sleep(abs(lead))
        marks = _ends(ground)
        ground.stack.kill(victim)
        begun = time.monotonic()
        if lead <= 0:
            act()
        waited, wrong = _waited(ground, begun)
    line: dict[str, Any] = {"victim": victim, "change": change, "lead": round(lead, 2)}
    line |= {"wrong": round(wrong, 2), "load": round(os.getloadavg()[0], 1), "waited": waited}
    return line | ({"said": _said(ground, marks)} if wrong > LONG else {})


def _waited(ground: Ground, begun: float) -> tuple[list[str], float]:
    """What was waited for, each with the seconds since ``begun``, and how long in all."""
    seen: list[str] = []
    last = ""

    def agree() -> bool:
        nonlocal last
        now = time.monotonic() - begun
        found = ground.differs()
        if found not in ("", last):
            seen.append(f"{now:.1f} s: {found}")
        last = found
        return not found

    try:
        wait_until(agree, LATE + 15, "the panel shows what Asterisk holds")
    except LabError:
        return seen, float("inf")
    return seen, time.monotonic() - begun


def _ends(ground: Ground) -> dict[str, int]:
    """How long the logs are."""
    files = {name: ground.stack.folder / name for name in SPEAKERS}
    return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}


def _said(ground: Ground, marks: dict[str, int]) -> list[str]:
    """What the logs say behind these ends."""
    lines: list[str] = []
    for name, mark in marks.items():
        with contextlib.suppress(FileNotFoundError), (ground.stack.folder / name).open() as file:
            file.seek(mark)
            lines += [f"{name}: {line.rstrip()[:200]}" for line in file.readlines()[-20:]]
    return lines


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    dice = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="ddiweb-watching-") as text:
        stack = Stack.start(Path(text))
        try:
            ground = Ground(stack)
            worst = delays(ground, max(1, given.times // 20))
            print(json.dumps({"slowest": worst, "of": max(1, given.times // 20)}), flush=True)
            lines: list[dict[str, Any]] = []
            for number in range(given.times):
                lines.append(kill(ground, dice, number))
                print(json.dumps(lines[-1]), flush=True)
        finally:
            stack.stop()
    lines.sort(key=lambda line: float(line["wrong"]))
    wrong = [float(line["wrong"]) for line in lines]
    late = sum(one > LATE for one in wrong)
    print(
        f"{len(wrong)} kills: wrong for {wrong[len(wrong) // 2]} s (median), {wrong[-1]} s at most;"
        f" {late} of them for more than {LATE:g} s. The slowest: {json.dumps(lines[-1])}"
    )
    return 1 if late or max(worst.values()) > SOON else 0


if __name__ == "__main__":
    sys.exit(main())
