"""The few rtnetlink messages that a scratch namespace needs (rtnetlink(7)); no tool, no text."""

import errno
import ipaddress
import re
import socket
import struct
import time
from pathlib import Path

from firewall.agent.nlmessage import ROUTE, attribute, tell

_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_CREATE, _REPLACE = 0x400, 0x100
_UP = 1  # IFF_UP
_NO_DAD = 2  # IFA_F_NODAD: nobody else can have the address
_MAIN, _BOOT, _LINK, _UNICAST = 254, 3, 253, 1  # table, origin, scope, type of a route


def up(name: str, mtu: int = 0) -> None:
    """Bring an interface up; raises OSError."""
    index = socket.if_nametoindex(name)
    attributes = attribute(4, struct.pack("I", mtu)) if mtu else b""
    tell(ROUTE, _NEWLINK, struct.pack("BxHiII", 0, 0, index, _UP, _UP) + attributes)


def address(name: str, text: str) -> None:
    """Give an interface one address; raises OSError."""
    parsed = ipaddress.ip_address(text)
    head = struct.pack(
        "BBBBi", _inet(parsed), parsed.max_prefixlen, _NO_DAD, 0, socket.if_nametoindex(name)
    )
    ends = attribute(2, parsed.packed) + attribute(1, parsed.packed)
    tell(ROUTE, _NEWADDR, head + ends, _CREATE | _REPLACE)
    if parsed.version == 6:
        _settled(parsed.packed.hex())


def _settled(wanted: str) -> None:
    """Wait for an IPv6 address's own route, which the kernel makes a moment later."""
    deadline = time.monotonic() + 2
    routes = Path("/proc/thread-self/net/ipv6_route")
    local = re.compile(rf"^{wanted} 80 (?:\S+ ){{6}}8", re.MULTILINE)  # its flags: RTF_LOCAL first
    while not local.search(routes.read_text("ascii")):
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "the kernel gave no route to an IPv6 address")
        time.sleep(0.001)


def default_route(name: str, version: int) -> None:
    """Send everything to an interface: whatever comes from it then is no martian."""
    inet = socket.AF_INET if version == 4 else socket.AF_INET6
    scope = _LINK if version == 4 else 0
    head = struct.pack("BBBBBBBBI", inet, 0, 0, 0, _MAIN, _BOOT, scope, _UNICAST, 0)
    oif = attribute(4, struct.pack("I", socket.if_nametoindex(name)))
    tell(ROUTE, _NEWROUTE, head + oif, _CREATE | _REPLACE)


def _inet(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return socket.AF_INET if parsed.version == 4 else socket.AF_INET6
