"""A stolen phone: real calls with any request URI and header, many at the same moment.

``python -m lab.dialer`` reads one JSON object and answers with one list; run it in a namespace::

    {"user": "ada", "password": "…", "calls": [{"uri": "sip:+44…@203.0.113.10"}]}
    → [{"status": 200, "seconds": 1.5, "ended": "us"}]

Each call has a socket of its own; all begin together. Fields of a call: ``hold`` (seconds until we
end it), ``headers`` (lines), ``from_user``, ``patience`` (for an
answer, 8 s) and ``refer`` (the SIP URI of a REFER once it is answered).
``status`` is the final one, 0 for silence; ``seconds`` from the answer to the end. The password
comes by standard input, so that no process list shows it.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.rawsip import digest
from lab.vendor import SERVER
from lab.world import World

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 8.0
_CHALLENGE = re.compile(r'(realm|nonce|opaque|qop|algorithm)="?([^",\r]+)"?')
_STATUS = re.compile(r"\ASIP/2\.0 ([1-6][0-9]{2}) ")


@dataclass(frozen=True)
class Dialled:
    """What became of one call; ``ended`` is us, them, or empty if it was not answered."""

    status: int
    seconds: float
    ended: str
    referred: int


class Call:
    """One call over one UDP socket."""

    def __init__(self, user: str, password: str, source: str, wish: dict[str, Any]) -> None:
        self.user, self.password, self.wish = user, password, wish
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.connect((SERVER, 5060))
        self.here = "{}:{}".format(*self.socket.getsockname())
        self.call_id, self.tag = secrets.token_hex(8), secrets.token_hex(4)
        self.to = f"<{wish['uri']}>"
        self.target = wish["uri"]
        self.sequence = 0
        self.answer: dict[str, Any] = {"status": 0, "seconds": 0.0, "ended": "", "referred": 0}

    def send(self, method: str, *extra: str, body: str = "", target: str = "") -> None:
        """Send a request in or for the dialogue."""
        if method != "ACK":
            self.sequence += 1
        sender = self.wish.get("from_user", self.user)
        lines = [
            f"{method} {target or self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.here};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: <sip:{sender}@{SERVER}>;tag={self.tag}",
            f"To: {self.to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {method}",
            f"Contact: <sip:{self.user}@{self.here}>",
            *extra,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.socket.send("\r\n".join([*lines, "", body]).encode(errors="surrogateescape"))

    def receive(self, seconds: float) -> str:
        """Return the next message, empty if none comes."""
        self.socket.settimeout(max(0.01, seconds))
        try:
            return self.socket.recv(65_535).decode(errors="replace")
        except (TimeoutError, ConnectionRefusedError):
            return ""

    def final(self, method: str = "INVITE") -> tuple[int, str]:
        """Wait for the final answer to our last request of ``method``."""
        end = time.monotonic() + self.wish.get("patience", TIMEOUT)
        while (left := end - time.monotonic()) > 0:
            text = self.receive(left)
            found = _STATUS.match(text)
            if found and f"CSeq: {self.sequence} {method}" in text and int(found[1]) >= 200:
                return int(found[1]), text
        return 0, ""

    def invite(self, *extra: str) -> tuple[int, str]:
        """Send an INVITE and acknowledge its answer."""
        here = self.here.partition(":")[0]
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {here}\r\ns=-\r\nc=IN IP4 {here}\r\nt=0 0\r\n"
            "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
        before = self.to
        self.send("INVITE", *self.wish.get("headers", []), *extra, body=body)
        status, text = self.final()
        if status:
            self.to = _header(text, "To")
            contact = re.search(r"<(.*?)>", _header(text, "Contact"))
            if status == 200 and contact:
                self.target = contact[1]
            self.send("ACK")
        if status == 401:
            self.to = before
        return status, text

    def run(self) -> None:
        """Place the call."""
        status, text = self.invite()
        if status == 401:
            self.challenge = dict(_CHALLENGE.findall(_header(text, "WWW-Authenticate")))
            login = digest(self.user, self.password, "INVITE", self.target, self.challenge)
            status, text = self.invite(login)
        self.answer["status"] = status
        if status == 200:
            self.talk()

    def talk(self) -> None:
        """Hold it until it ends."""
        began = time.monotonic()
        if self.wish.get("refer"):
            self.send("REFER", f"Refer-To: <{self.wish['refer']}>")
            self.answer["referred"] = self.final("REFER")[0]
        end = began + self.wish.get("hold", 0.5)
        while (left := end - time.monotonic()) > 0:
            text = self.receive(left)
            if text.startswith("BYE "):
                kept = [
                    one for one in text.split("\r\n") if re.match("Via|From|To|Call-ID|CSeq", one)
                ]
                reply = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
                self.socket.send(reply.encode())
                self.answer |= {"ended": "them", "seconds": time.monotonic() - began}
                return
        self.send("BYE")
        self.answer |= {"ended": "us", "seconds": time.monotonic() - began}
        self.final("BYE")


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(.*?)\r?$", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


def dial(
    world: World,
    user: str,
    password: str,
    calls: Sequence[dict[str, Any]],
    *,
    namespace: str = "attacker",
    source: str = "203.0.113.66",
    seconds: float = 60.0,
) -> list[Dialled]:
    """Place ``calls`` together from a namespace of ``world``; raises LabError."""
    given = {"user": user, "password": password, "source": source, "calls": list(calls)}
    try:
        done = subprocess.run(
            world.argv(namespace, [sys.executable, "-m", "lab.dialer"], cwd=ROOT),
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise LabError(f"the dialer failed: {getattr(error, 'stderr', error)}") from error
    return [Dialled(**one) for one in json.loads(done.stdout)]


def main() -> int:
    """Place the calls that standard input wishes."""
    given = json.load(sys.stdin)
    calls = [
        Call(given["user"], given["password"], given["source"], wish) for wish in given["calls"]
    ]
    threads = [threading.Thread(target=call.run) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([call.answer for call in calls]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
