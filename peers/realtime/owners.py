"""Whose sockets on this machine are, by the kernel's word (proc(5), /proc/net/tcp). No Django here.

Whoever took a port answers on it as he likes; under which user he runs he can't choose. Asterisk's
user is that of the other end of an AMI connection.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/net")
_ESTABLISHED, _LISTENS = "01", "0A"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
End = tuple[str, int]


@dataclass(frozen=True)
class Socket:
    """A line of the kernel's: where it is bound and connected to, its user id and its inode."""

    local: tuple[Address, int]
    remote: tuple[Address, int]
    state: str
    user: int
    inode: int


def other_end(own: End, other: End, proc: Path = _PROC) -> int | None:
    """The user at the end ``other`` of a TCP connection of ours; None on another machine."""
    wanted = _end(other), _end(own)
    for one in _sockets(proc, "tcp"):
        if (one.local, one.remote) == wanted and one.state == _ESTABLISHED:
            return one.user
    return None


def of_udp_port(port: int, proc: Path = _PROC) -> set[int]:
    """The users who hold this UDP port, on whichever address."""
    return {one.user for one in _sockets(proc, "udp") if one.local[1] == port}


def listeners(user: int, proc: Path = _PROC) -> set[tuple[int, int]]:
    """Port and inode of each TCP socket on which ``user`` listens for more than loopback."""
    return {
        (one.local[1], one.inode)
        for one in _sockets(proc, "tcp")
        if (one.user, one.state) == (user, _LISTENS) and not one.local[0].is_loopback
    }


def _sockets(proc: Path, protocol: str) -> Iterator[Socket]:
    for name in (protocol, f"{protocol}6"):
        try:
            lines = (proc / name).read_text().splitlines()
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines[1:]:
            parts = line.split()
            local, remote = _parsed(parts[1]), _parsed(parts[2])
            yield Socket(local, remote, parts[3], int(parts[7]), int(parts[9]))


def _parsed(text: str) -> tuple[Address, int]:
    """``0100007F:13BA``: words of the address in this machine's order, and the port."""
    address, _, port = text.partition(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return _plain(ipaddress.ip_address(packed)), int(port, 16)


def _end(end: End) -> tuple[Address, int]:
    return _plain(ipaddress.ip_address(end[0].partition("%")[0])), end[1]


def _plain(address: Address) -> Address:
    """An IPv4 address that a socket of IPv6 holds, as what it is."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
