"""A running stack, what its Asterisk holds, and what its panel shows of that."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from ddiweb.deploy.errors import DeployError
from lab.process import Process
from lab.stack import ROOT, Stack
from peers.realtime.actions import list_contacts
from peers.realtime.ami import AmiClient
from peers.realtime.channels import channels
from peers.realtime.trunk_states import reach as reach_of
from tests.asterisk.hostile import plain

VENDOR, SECOND = "203.0.113.20", "203.0.113.21"
NUMBER = "442079460123"
_AT = re.compile(r"@([^;>]+)")


@dataclass(frozen=True)
class State:
    """Addresses of phones, legs of calls, and whether a trunk answers."""

    contacts: frozenset[str]
    legs: frozenset[str]
    trunk: bool | None


def _told(value: frozenset[str] | bool | None) -> str:
    return ",".join(sorted(value)) or "none" if isinstance(value, frozenset) else str(value)


class Ground:
    """The stack with one more trunk, which is watched, and one phone."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.node = stack.rows("/nodes/")[0]["slug"]
        self.phone = stack.peer(f"Ground {time.monotonic_ns()}")
        self.trunk = stack.ask(
            "POST",
            "/trunks/",
            {"node": self.node, "name": f"Watched {time.monotonic_ns()}", "host": SECOND}
            | {"qualify": True},
        )
        # What is measured is not to be banned meanwhile.
        stack.ask("PATCH", f"/nodes/{self.node}/", {"ban_failures": 1000})
        stack.settled()

    @property
    def trunk_key(self) -> str:
        """The watched trunk's name in Asterisk."""
        return f"trunk_{self.trunk['id']}"

    def ami(self, *, events: bool = False) -> AmiClient:
        """A client of the stack's Asterisk, beside the watch's own."""
        return self.stack.ami(events=events, timeout=3)

    def login(self, **over: Any) -> dict[str, Any]:
        """How the phone registers."""
        return {
            "user": self.phone["username"],
            "password": self.phone["password"],
            "user_agent": f"Phone {self.phone['token']}",
        } | over

    def held(self) -> State | None:
        """What Asterisk holds; None while it does not answer."""
        try:
            with self.ami() as client:
                uris = [one.uri for one in list_contacts(client)]
                legs = channels(client.action("CoreShowChannels"))
                answer = client.action("PJSIPShowEndpoint", Endpoint=self.trunk_key)
        except (DeployError, subprocess.TimeoutExpired):
            return None  # the latter: this machine is too busy to join a namespace
        found = [place[1] for uri in uris if (place := _AT.search(uri))]
        return State(
            frozenset(found), frozenset(leg.unique_id for leg in legs), reach_of(answer).answers
        )

    def shown(self) -> State:
        """What the panel shows."""
        state = self.stack.rows(f"/trunk-states/?endpoint={self.trunk_key}")
        return State(
            frozenset(row["address"] for row in self.stack.rows("/contacts/")),
            frozenset(row["unique_id"] for row in self.stack.rows("/channels/")),
            state[0]["answers"] if state else None,
        )

    def differs(self) -> str:
        """What the panel shows else than Asterisk holds, read before and after; or nothing."""
        before, shown = self.held(), self.shown()
        if before is None:
            return "Asterisk does not answer"
        if before == shown:
            return "" if self.held() == shown else "Asterisk changed meanwhile"
        parts = [one.name for one in fields(State)]
        return " and ".join(
            f"{name} held {_told(getattr(before, name))} shown {_told(getattr(shown, name))}"
            for name in parts
            if getattr(before, name) != getattr(shown, name)
        )

    def calls(self, callers: list[str]) -> subprocess.Popen[str]:
        """Begin calls from the vendor, one a caller's number (digits), which is also its id."""
        line = [sys.executable, "-m", "tests.asterisk.callers", VENDOR]
        child = subprocess.Popen(
            self.stack.world().argv("vendor", line, ROOT),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert child.stdin
        for name in callers:
            text = plain(name, VENDOR, NUMBER, name)
            child.stdin.write(json.dumps({"id": name, "text": text}) + "\n")
        child.stdin.close()
        return child

    @contextmanager
    def answering(self) -> Iterator[Process]:
        """The second vendor answers OPTIONS."""
        ns = self.stack.world().ns["vendor"]
        line = [sys.executable, "-m", "tests.chaos.answering", SECOND]
        with Process.start(line, cwd=ROOT, ns=ns, name="answering") as child:
            yield child
