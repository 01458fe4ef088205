"""Phones and a server that never fall silent: SIP and RTP both ways, each datagram with its time.

``python -m tests.kernel.live_phones phones|server``, in a namespace. One JSON line a command on
standard input, one a answer on standard output; it ends with its standard input. Times are
CLOCK_MONOTONIC in nanoseconds, which all namespaces of a host share.
"""

import json
import re
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

SIP, RTP = 5060, 10_000
SERVER = {4: "203.0.113.10", 6: "2001:db8:113::10"}
EVERY = 0.04  # seconds between two datagrams of a flow
_STAMP = re.compile(rb"@([0-9]+),([a-z]+),([0-9]+)@")
_INET = {4: socket.AF_INET, 6: socket.AF_INET6}
Flow = tuple[int, str, int]  # phone, "sip" or "rtp", family


def _bound(family: int, address: str, port: int) -> socket.socket:
    made = socket.socket(_INET[family], socket.SOCK_DGRAM)
    if family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    made.bind((address, port))
    made.setblocking(False)
    return made


def _stamp(phone: int, kind: str) -> bytes:
    return b"@%d,%s,%d@" % (phone, kind.encode(), time.monotonic_ns())


@dataclass
class Phones:
    """Each phone has four flows. It sends whatever a phone may, and answers what it is asked."""

    tokens: dict[int, str] = field(default_factory=dict)
    sockets: dict[socket.socket, Flow] = field(default_factory=dict)
    turn: int = 0

    def do_start(self, phones: list[dict[str, Any]]) -> int:
        """Let these phones begin; the ones before are gone. Returns how many flows there are."""
        for one in self.sockets:
            one.close()
        self.sockets.clear()
        self.tokens = {phone["id"]: phone["token"] for phone in phones}
        for phone in phones:
            for family in (4, 6):
                for kind in ("sip", "rtp"):
                    made = _bound(family, phone[f"v{family}"], 0)
                    self.sockets[made] = (phone["id"], kind, family)
        return len(self.sockets)

    def tick(self) -> None:
        """Send one datagram a flow."""
        self.turn += 1
        for one, (phone, kind, family) in self.sockets.items():
            data = self._sip(phone) if kind == "sip" else b"\x80\x08" + _stamp(phone, "audio") * 4
            one.sendto(data, (SERVER[family], SIP if kind == "sip" else RTP))

    def _sip(self, phone: int) -> bytes:
        """Something with the token, without it, or that is no SIP at all."""
        if self.turn % 4 == 0:
            return b"\r\n\r\n" + _stamp(phone, "keepalive")
        if self.turn % 4 == 1:
            return b"OPTIONS sip:a@b SIP/2.0\r\nX: " + _stamp(phone, "options") + b"\r\n\r\n"
        token = self.tokens[phone].encode()
        head = b"REGISTER sip:a SIP/2.0\r\nUser-Agent: " + token
        return head + b"\r\nX: " + _stamp(phone, "register") + b"\r\n\r\n"

    def take(self, one: socket.socket) -> None:
        """Answer a request; the token stands in the answer too."""
        data, sender = one.recvfrom(65_535)
        phone, kind, _ = self.sockets[one]
        if kind == "sip" and data.startswith(b"OPTIONS"):
            token = self.tokens[phone].encode()
            text = b"SIP/2.0 200 OK\r\nUser-Agent: " + token + b"\r\nX: "
            one.sendto(text + _stamp(phone, "response") + b"\r\n\r\n", sender)


@dataclass
class Server:
    """Counts what reaches it, and goes on asking and talking to whoever once came."""

    sockets: dict[socket.socket, tuple[str, int]] = field(default_factory=dict)
    known: dict[Flow, tuple[socket.socket, Any]] = field(default_factory=dict)
    arrived: dict[int, list[tuple[int, str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for family in (4, 6):
            for kind, port in (("sip", SIP), ("rtp", RTP)):
                self.sockets[_bound(family, "", port)] = (kind, family)

    def do_forget(self) -> int:
        """Begin anew."""
        self.known.clear()
        self.arrived.clear()
        return 0

    def do_flows(self) -> list[Flow]:
        """The flows that came through."""
        return list(self.known)

    def do_since(self, phone: int, at: int) -> dict[str, int]:
        """Datagrams of ``phone`` that were sent later than ``at`` and arrived, by kind."""
        counts: dict[str, int] = {}
        for sent, kind, family in self.arrived.get(phone, ()):
            if sent > at:
                counts[f"{kind} v{family}"] = counts.get(f"{kind} v{family}", 0) + 1
        return counts

    def tick(self) -> None:
        """Ask every phone and send it audio, as qualify and a call do, whatever became of it."""
        for (_, kind, _), (one, address) in self.known.items():
            asked = kind == "sip"
            one.sendto(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n" if asked else b"\x80\x08" * 80, address)

    def take(self, one: socket.socket) -> None:
        """Note one datagram."""
        data, sender = one.recvfrom(65_535)
        found = _STAMP.search(data)
        if found:
            kind, family = self.sockets[one]
            phone = int(found[1])
            self.known.setdefault((phone, kind, family), (one, sender))
            self.arrived.setdefault(phone, []).append((int(found[3]), found[2].decode(), family))


def main() -> None:
    """Serve until standard input ends."""
    actor = {"phones": Phones, "server": Server}[sys.argv[1]]()
    due = time.monotonic()
    while True:
        for one in select.select([sys.stdin, *actor.sockets], [], [], 0.005)[0]:
            if one is not sys.stdin:
                try:
                    while True:
                        actor.take(one)
                except (BlockingIOError, ConnectionRefusedError):
                    continue
            line = sys.stdin.readline()
            if not line:
                return
            wish = json.loads(line)
            print(json.dumps(getattr(actor, f"do_{wish.pop('do')}")(**wish)), flush=True)
            break  # the command may have closed some of the sockets
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            actor.tick()


if __name__ == "__main__":
    main()
