"""Scripted phones: PJSIP by a child process, and liblinphone, the engine of the Linphone apps.

Each runs in a namespace of the world and ends with its owner. Passwords go over standard input,
never into the arguments of a process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.process import Namespace, Process, Running
from lab.tone import Heard

ROOT = Path(__file__).resolve().parent.parent
#: A child answers within its own waiting time and this many seconds.
ANSWER_MARGIN = 10.0


@dataclass(frozen=True)
class Registration:
    """What the registrar answered; ``code`` 408 or 0 is silence."""

    registered: bool
    code: int


@dataclass(frozen=True)
class IncomingCall:
    """An INVITE that rang the phone; ``message`` is all of it."""

    caller: str
    message: str

    def header(self, name: str) -> str:
        """Return the first header ``name``, empty if there is none."""
        for line in self.message.splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""


@dataclass(frozen=True)
class CallState:
    """The phone's last call; ``hz`` is the tone heard so far, 0 for none."""

    status: int
    reason: str
    answered: bool
    ended: bool
    hz: int
    digits: str = ""


@dataclass(frozen=True)
class PhoneState:
    """What a phone says of itself."""

    registered: bool
    code: int
    call: CallState | None
    incoming: tuple[IncomingCall, ...]
    lamps: tuple[str, ...] = ()


class PjsuaPhone(Running):
    """A phone that registers, answers, calls, plays a tone and hears one.

    ``address`` and ``port`` are its own; empty and 0: any of IPv4. ``transport`` is udp, tcp or
    tls; with tls the server is verified by ``ca``, and audio is SRTP. ``certificate`` (with its
    key in the same file) is for one that is called by TLS. One that ``roams`` can be ``moved``.
    A context manager.
    """

    def __init__(
        self,
        ns: Namespace | None,
        folder: Path,
        *,
        user_agent: str = "ddiweb-lab/1",
        tone_hz: int = 600,
        address: str = "",
        port: int = 0,
        transport: str = "udp",
        ca: Path | None = None,
        session_seconds: int = 0,
        certificate: Path | None = None,
        roams: bool = False,
    ) -> None:
        self._ns = ns
        self.folder = folder
        self._settings = {
            "user_agent": user_agent,
            "tone_hz": tone_hz,
            "address": address,
            "port": port,
            "transport": transport,
            "ca": str(ca or ""),
            "session_seconds": session_seconds,
            "certificate": str(certificate or ""),
            "roams": roams,
        }
        self._process: Process | None = None
        self._buffer = b""

    def start(self) -> None:
        """Start the child; raises LabError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = Process.start(
            [sys.executable, "-m", "lab.pjsua_phone"],
            env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            cwd=ROOT,
            log=self.folder / "phone.log",
            ns=self._ns,
            name="phone",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._do("start", folder=str(self.folder.resolve()), **self._settings)

    def register(
        self, user: str, password: str, server: str, *, expires: int = 120, wait: float = 6.0
    ) -> Registration:
        """Register at ``server`` (``host[:port]``); ``expires`` and ``wait`` in seconds."""
        answer = self._do(
            "register",
            wait,
            user=user,
            password=password,
            server=server,
            expires=expires,
            wait=wait,
        )
        return Registration(answer["registered"], answer["code"])

    def identify(self, user: str, server: str) -> None:
        """Have an account without registration, as a vendor has."""
        self._do(
            "register",
            user=user,
            password="",
            server=server,
            expires=0,
            wait=0.0,
        )

    def reregister(self, wait: float = 6.0) -> Registration:
        """Send the REGISTER anew."""
        answer = self._do("reregister", wait, wait=wait)
        return Registration(answer["registered"], answer["code"])

    def unregister(self, wait: float = 6.0) -> Registration:
        """Take the registration back."""
        answer = self._do("unregister", wait, wait=wait)
        return Registration(answer["registered"], answer["code"])

    def answer_with(self, code: int) -> None:
        """Answer calls to come with ``code``: 200 at once, 180 let it ring, 486 busy."""
        self._do("answer", code=code)

    def call(
        self, uri: str, *, headers: dict[str, str] | None = None, wait: float = 10.0
    ) -> CallState:
        """Call and wait up to ``wait`` seconds for an answer or a refusal."""
        answer = self._do("call", wait, uri=uri, headers=headers or {}, wait=wait)
        return _call(answer["call"])

    def hangup(self, wait: float = 5.0) -> CallState | None:
        """End the call; the state holds what was heard in all of it."""
        answer = self._do("hangup", wait, wait=wait)
        return _call(answer["call"]) if answer["call"] else None

    def hold(self) -> bool:
        """Put the call on hold; returns whether its audio stopped."""
        return bool(self._do("hold", 5.0)["held"])

    def resume(self) -> bool:
        """Take the call back; returns whether its audio runs again."""
        return not self._do("resume", 5.0)["held"]

    def moved(self, wait: float = 12.0) -> Registration:
        """Find that the network has changed (``lab.roam``), and go on from there, call and all."""
        answer = self._do("moved", wait, wait=wait)
        return Registration(answer["registered"], answer["code"])

    def dial(self, digits: str, *, info: bool = False) -> None:
        """Send digits within the call, by RFC 4733 or by INFO."""
        self._do("dial", float(len(digits)), digits=digits, info=info)

    def heard(self, seconds: float = 1.0) -> Heard:
        """Listen ``seconds`` longer and return the tone."""
        answer = self._do("heard", seconds, seconds=seconds)
        return Heard(answer["hz"], answer["share"], answer["seconds"])

    def press(self, digits: str, wait: float = 0.5) -> None:
        """Press keys in the call, and go on for ``wait`` seconds."""
        self._do("press", wait, digits=digits, wait=wait)

    def state(self) -> PhoneState:
        """Return what the phone knows now."""
        answer = self._do("status")
        incoming = tuple(IncomingCall(one["from"], one["message"]) for one in answer["incoming"])
        call = _call(answer["call"]) if answer["call"] else None
        return PhoneState(
            answer["registered"], answer["code"], call, incoming, tuple(answer["lamps"])
        )

    def wait_for_call(self, calls: int = 1, seconds: float = 10.0) -> IncomingCall:
        """Return the latest call once ``calls`` have come in; raises LabError after ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            incoming = self.state().incoming
            if len(incoming) >= calls:
                return incoming[-1]
            time.sleep(0.05)
        raise LabError(f"the phone did not ring within {seconds:g} s")

    def stop(self) -> None:
        """End the child without telling the registrar, as an empty battery does."""
        if self._process is not None:
            self._process.stop(1.0)
            self._process = None

    def _do(self, verb: str, patience: float = 0.0, /, **fields: Any) -> dict[str, Any]:
        process = self._process
        if process is None or process.child.stdin is None:
            raise LabError("the phone was not started")
        try:
            process.child.stdin.write(json.dumps({"do": verb, **fields}).encode() + b"\n")
            process.child.stdin.flush()
        except OSError as error:
            raise LabError(f"the phone ended: {error}") from error
        answer = json.loads(self._line(process, patience + ANSWER_MARGIN))
        if not answer.pop("ok"):
            raise LabError(f"phone {verb}: {answer['error']}")
        return dict(answer)

    def _line(self, process: Process, wait: float) -> bytes:
        stream = process.child.stdout
        if stream is None:
            raise LabError("the phone has no output")
        deadline = time.monotonic() + wait
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise LabError(f"the phone does not answer within {wait:g} s")
            data = os.read(stream.fileno(), 65_536)
            if not data:
                raise LabError(f"the phone ended: see {self.folder / 'phone.log'}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _call(answer: dict[str, Any]) -> CallState:
    return CallState(
        answer["status"],
        answer["reason"],
        answer["answered"],
        answer["ended"],
        answer["hz"],
        answer["digits"],
    )
