"""The world's DNS (RFC 1035): names below ``.test`` are the server, and nothing else exists.

A name that begins with ``panel.`` is the administrator's machine, with ``vendor.`` or ``second.`` a
vendor's.

A phone with TLS calls ``TOKEN.sip.sandbox.test``; tokens are made while the world stands, so a
list of hosts would not do.
"""

import contextlib
import socket
import struct
from pathlib import Path

from lab import debian

SERVER = "203.0.113.10"
PANEL = "203.0.113.100"
OTHERS = {b"panel": PANEL, b"vendor": "203.0.113.20", b"second": "203.0.113.21"}
PORT = 53
_A = 1
_SECONDS = 5


def answer(query: bytes) -> bytes:
    """Return the response to one query; raises ValueError or IndexError for what is none."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]])
        at += 1 + query[at]
    if len(query) < at + 5:
        raise ValueError("cut short")
    kind = struct.unpack_from("!H", query, at + 1)[0]
    question = query[12 : at + 5]
    known = bool(labels) and labels[-1].lower() == b"test"
    records = b""
    if known and kind == _A:
        # The name is a pointer to the question's (RFC 1035, 4.1.4).
        head = struct.pack("!HHHIH", 0xC00C, _A, 1, _SECONDS, 4)
        records = head + socket.inet_aton(OTHERS.get(labels[0].lower(), SERVER))
    flags = 0x8580 if known else 0x8583
    return (
        query[:2] + struct.pack("!HHHHH", flags, 1, int(bool(records)), 0, 0) + question + records
    )


def ask(server: str) -> None:
    """Let every program of this mount namespace ask ``server``; /run is a tmpfs of our own."""
    path = Path("/etc/resolv.conf").resolve()
    text = f"nameserver {server}\noptions timeout:2 attempts:2\n"
    if path.is_relative_to("/run"):
        # A link into what /run was before.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    own = Path("/run/resolv.conf")
    own.write_text(text)
    if path.exists():
        debian.run(["mount", "--bind", str(own), str(path)])


def serve(address: str) -> None:
    """Answer on port 53 of ``address``, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        # Bound to one address: else an answer leaves from another one than was asked.
        line.bind((address, PORT))
        while True:
            query, source = line.recvfrom(4096)
            with contextlib.suppress(ValueError, IndexError, OSError):
                line.sendto(answer(query), source)
