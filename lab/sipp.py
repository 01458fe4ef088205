"""sipp as a strict stranger, vendor or registrar: what it sent and what came back, as values."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import Namespace, Process, Running, wait_until
from lab.tools import tool

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_BLOCK = re.compile(r"^-{10,} .*$", re.MULTILINE)
_STATUS = re.compile(r"^SIP/2\.0 ([1-6][0-9]{2}) ", re.MULTILINE)
_REQUEST = re.compile(r"^([A-Z]{3,12}) \S+ SIP/2\.0\r?$", re.MULTILINE)
_CALL_ID = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_COUNTER = itertools.count(1)


@dataclass(frozen=True)
class Trace:
    """The messages of one run of sipp, in order."""

    sent: tuple[str, ...]
    received: tuple[str, ...]

    @property
    def statuses(self) -> tuple[int, ...]:
        """Status codes received, provisional ones too.

        Only of this run's own calls: an answer that nobody acknowledged is repeated for 32 s
        (RFC 3261, 17.2.1), to a port that may be another run's by then.
        """
        mine = {call_id(text) for text in self.sent}
        answers = (text for text in self.received if call_id(text) in mine)
        return tuple(int(found[1]) for text in answers if (found := _STATUS.match(text)))

    @property
    def final(self) -> int:
        """First final status to the first request that got one, 0 for silence."""
        return next((status for status in self.statuses if status >= 200), 0)

    def requests(self, method: str) -> tuple[str, ...]:
        """Return the requests received with ``method``."""
        found = (text for text in self.received if _REQUEST.match(text))
        return tuple(text for text in found if text.startswith(f"{method} "))


def call_id(message: str) -> str:
    """Return the Call-ID of a message, empty if it has none."""
    found = _CALL_ID.search(message)
    return found[1] if found else ""


class Sipp(Running):
    """One run of a scenario in a namespace, in the background; a context manager.

    With ``echo`` it sends all audio back.
    """

    def __init__(
        self,
        ns: Namespace | None,
        folder: Path,
        scenario: str,
        *,
        address: str,
        port: int = 5060,
        target: str = "",
        calls: int = 1,
        hold_ms: int = 500,
        keys: Mapping[str, str] | None = None,
        login: tuple[str, str] | None = None,
        timeout: float = 20.0,
        echo: bool = False,
    ) -> None:
        self._ns = ns
        self._folder = folder
        self._trace = folder / f"sipp-{os.getpid()}-{next(_COUNTER)}.log"
        self._timeout = timeout
        self._argv = [
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-m", str(calls)),
            *("-i", address, "-p", str(port), "-d", str(hold_ms), "-nostdin", "-nd"),
            *("-timeout", f"{timeout:g}s", "-recv_timeout", f"{int(timeout * 1000)}"),
            *("-trace_msg", "-message_file", str(self._trace)),
            *(("-rtp_echo",) if echo else ()),
            # Media ports beside the signalling port, so that two runs can stand side by side.
            *("-mi", address, "-mp", str(20_000 + next(_COUNTER) * 4 % 20_000)),
        ]
        for name, value in (keys or {}).items():
            self._argv += ["-key", name, value]
        if login:
            # A lab's password: sipp takes it no other way.
            self._argv += ["-au", login[0], "-ap", login[1]]
        if target:
            self._argv.append(target)
        self._process: Process | None = None

    def start(self) -> None:
        """Start it; raises LabError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = tool("sipp")
        self._process = Process.start(
            command.line(*self._argv),
            env={**command.env, "TERM": "dumb"},
            log=self._folder / "sipp.log",
            ns=self._ns,
            name="sipp",
            stdin=subprocess.DEVNULL,
        )

    def wait(self) -> Trace:
        """Wait for its end and return what was said; raises LabError if it does not end."""
        if self._process is None:
            raise LabError("sipp was not started")
        if not self._process.wait(self._timeout + 10):
            raise LabError("sipp does not end")
        return self.trace()

    def trace(self) -> Trace:
        """Return what was said so far."""
        return parse(self._trace.read_text(errors="replace") if self._trace.exists() else "")

    def wait_for(self, method: str, count: int = 1, seconds: float = 10.0) -> Trace:
        """Wait until ``count`` requests of ``method`` have come in."""
        wait_until(
            lambda: len(self.trace().requests(method)) >= count, seconds, f"{count} {method} came"
        )
        return self.trace()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop(1.0)
            self._process = None


def parse(text: str) -> Trace:
    """Parse sipp's message file."""
    sent, received = [], []
    for block in _BLOCK.split(text)[1:]:
        head, _, message = block.strip().partition("\n")
        message = message.strip()
        if " message sent" in head:
            sent.append(message)
        elif " message received" in head:
            received.append(message)
    return Trace(tuple(sent), tuple(received))


def run(ns: Namespace | None, folder: Path, scenario: str, **options: object) -> Trace:
    """Run a scenario to its end; options as for ``Sipp``."""
    with Sipp(ns, folder, scenario, **options) as one:  # type: ignore[arg-type]
        return one.wait()


def version(arguments: Sequence[str] = ("-v",)) -> str:
    """Return the first line that sipp says of itself."""
    command = tool("sipp")
    done = subprocess.run(
        command.line(*arguments),
        env=command.environ(),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return next((line.strip() for line in done.stdout.splitlines() if line.strip()), "")


def settle(seconds: float = 0.3) -> None:
    """Give Asterisk time to write its log."""
    time.sleep(seconds)
