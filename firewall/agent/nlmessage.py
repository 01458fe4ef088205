"""Netlink messages: asked, answered, and taken apart (netlink(7)). No tool, no text."""

import os
import socket
import struct
from collections.abc import Iterator

NETFILTER = 12  # NETLINK_NETFILTER
ROUTE = socket.NETLINK_ROUTE
ACK, DUMP = 0x4, 0x300  # of the flags; every message is a request
_REQUEST = 0x1
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, which also carries the "no error" of an ACK, and NLMSG_DONE
_SECONDS = 5
_WHOLE = 1 << 18  # bytes: more than the kernel puts into one datagram of a listing


def ask(protocol: int, kind: int, body: bytes, flags: int) -> Iterator[bytes]:
    """The bodies of the answers; raises OSError with what the kernel found wrong.

    `flags` hold `ACK` or `DUMP`: by its end the kernel tells that there is no more.
    """
    request = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as asked:
        asked.settimeout(_SECONDS)
        asked.sendto(request, (0, 0))
        while True:
            data, at = asked.recv(_WHOLE), 0
            while at + 16 <= len(data):
                size, answer = struct.unpack_from("=IH", data, at)
                if answer in {_ERROR, _DONE}:
                    (wrong,) = struct.unpack_from("=i", data, at + 16)
                    if wrong < 0:
                        raise OSError(-wrong, os.strerror(-wrong))
                    return
                yield data[at + 16 : at + size]
                at += _padded(size)


def tell(protocol: int, kind: int, body: bytes, flags: int = 0) -> None:
    """Have something done, and wait until it is; raises OSError."""
    for _ in ask(protocol, kind, body, ACK | flags):
        pass


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    size = 4 + len(value)
    return (struct.pack("=HH", size, kind) + value).ljust(_padded(size), b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Attribute → value. The flags for "nested" and "in network order" are left out."""
    found, at = {}, 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if size < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + size]
        at += _padded(size)
    return found


def _padded(size: int) -> int:
    return -(-size // 4) * 4
