"""Plain SIP messages by hand: what a phone, a vendor or an attacker would send, byte by byte.

``python -m lab.rawsip`` reads one JSON line a request from standard input and answers with one JSON
line; run it in a namespace of the world. It keeps its socket, so its flow stays the same::

    {"do": "register", "user": "ada", "password": "…", "user_agent": "…"}   → {"status": 200, …}
    {"do": "send", "text": "OPTIONS sip:…"}                                 → {"status": 0}

``status`` is the last final SIP status, 0 if nothing came back. Secrets come by standard input, so
that no process list shows them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import secrets
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

_STATUS = re.compile(rb"\ASIP/2\.0 ([1-6][0-9]{2}) ")
_CHALLENGE = re.compile(r'(realm|nonce|opaque|qop|algorithm)="?([^",\r]+)"?')


@dataclass
class Line:
    """One UDP socket and what is said over it. ``timeout`` in seconds for each answer."""

    server: tuple[str, int]
    source: str = ""
    port: int = 0
    timeout: float = 1.0
    answers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.server[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((self.source, self.port))
        self.socket.connect(self.server)
        name = self.socket.getsockname()
        self.here = (
            f"[{name[0]}]:{name[1]}" if family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
        )
        self.there = f"[{self.server[0]}]" if family == socket.AF_INET6 else self.server[0]
        self.call_id = secrets.token_hex(8)
        self.sequence = 0

    def send(self, text: str | bytes) -> None:
        """Send one datagram; an ICMP error of an earlier one is not of interest."""
        try:
            self.socket.send(text if isinstance(text, bytes) else text.encode())
        except ConnectionRefusedError:
            self.socket.send(text if isinstance(text, bytes) else text.encode())

    def final(self, timeout: float | None = None) -> int:
        """Wait for a final status (200 and above); 0 if none comes in time."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65_535)
            except (TimeoutError, ConnectionRefusedError):
                continue
            self.answers.append(data.decode(errors="replace"))
            found = _STATUS.match(data)
            if found and int(found[1]) >= 200:
                return int(found[1])
        return 0

    def request(self, method: str, user: str, **options: Any) -> str:
        """Return a request; options: to, from_user, user_agent, contact, extra (lines), body."""
        self.sequence += 1
        sender = options.get("from_user", user)
        target = f"sip:{self.there}" if method == "REGISTER" else f"sip:{user}@{self.there}"
        body = options.get("body", "")
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.here};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: <sip:{sender}@{self.there}>;tag={secrets.token_hex(4)}",
            f"To: <sip:{user}@{self.there}>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {method}",
            f"Contact: <sip:{sender}@{self.here}{options.get('contact', '')}>",
            *([f"User-Agent: {options['user_agent']}"] if options.get("user_agent") else []),
            *options.get("extra", []),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", body])

    def ask(self, method: str, user: str, **options: Any) -> int:
        """Send a request and return its final status."""
        self.send(self.request(method, user, **options))
        return self.final()

    def register(self, user: str, password: str, **options: Any) -> int:
        """Register with digest authentication (RFC 3261, 22.4); returns the final status."""
        extra = [*options.pop("extra", []), f"Expires: {options.pop('expires', 120)}"]
        status = self.ask("REGISTER", user, extra=extra, **options)
        if status != 401:
            return status
        challenge = dict(_CHALLENGE.findall(self.answers[-1]))
        header = digest(user, password, "REGISTER", f"sip:{self.there}", challenge)
        return self.ask("REGISTER", user, extra=[*extra, header], **options)


def digest(user: str, password: str, method: str, uri: str, challenge: dict[str, str]) -> str:
    """Return the Authorization header for an MD5 challenge (RFC 2617, 3.2.2)."""
    cnonce = secrets.token_hex(8)
    one = _md5(f"{user}:{challenge['realm']}:{password}")
    two = _md5(f"{method}:{uri}")
    response = _md5(f"{one}:{challenge['nonce']}:00000001:{cnonce}:auth:{two}")
    values = (
        f'username="{user}", realm="{challenge["realm"]}", nonce="{challenge["nonce"]}", '
        f'uri="{uri}", response="{response}", algorithm=MD5, '
        f'cnonce="{cnonce}", qop=auth, nc=00000001'
    )
    opaque = f', opaque="{challenge["opaque"]}"' if "opaque" in challenge else ""
    return f"Authorization: Digest {values}{opaque}"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the digest scheme of SIP


def answer(line: Line, wish: dict[str, Any]) -> dict[str, Any]:
    """Do what one JSON line wishes."""
    line.answers.clear()
    kind = wish.pop("do")
    if kind == "register":
        status = line.register(**wish)
    elif kind == "ask":
        status = line.ask(**wish)
    elif kind == "send":
        line.send(wish["text"].encode(wish.get("encoding", "utf-8")))
        status = line.final(wish.get("timeout"))
    elif kind == "listen":
        status = line.final(wish["timeout"])
    else:
        raise ValueError(f"unknown wish {kind!r}")
    return {"status": status, "answers": line.answers}


def main() -> int:
    """Serve wishes until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m lab.rawsip")
    parser.add_argument("--server", default="203.0.113.10")
    parser.add_argument("--server-port", type=int, default=5060)
    parser.add_argument("--source", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=1.0)
    given = parser.parse_args()
    line = Line((given.server, given.server_port), given.source, given.port, given.timeout)
    print(json.dumps({"here": line.here}), flush=True)
    for text in sys.stdin:
        print(json.dumps(answer(line, json.loads(text))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
