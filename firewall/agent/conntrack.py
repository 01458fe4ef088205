"""The kernel's table of connections over ctnetlink: listed and ended without a process.

A listing walks all buckets of the table, some 13 ms with the usual 262,144 of them, and one of both
families costs no more than one of one: so ask once, and end each connection by its own tuple,
which costs microseconds (linux/netfilter/nfnetlink_conntrack.h).
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ddiweb.deploy.errors import Retryable
from firewall.agent.nlmessage import ACK, DUMP, NETFILTER, ROUTE, ask, attribute, attributes, tell

Version = Literal[4, 6]

_ADDRESSES = 22  # RTM_GETADDR
_GET, _DELETE, _STATS = 1 << 8 | 1, 1 << 8 | 2, 1 << 8 | 5  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_…
_TUPLE, _STATUS, _TIMEOUT, _MARK, _ID, _ZONE, _MASK = 1, 3, 7, 8, 12, 18, 21  # CTA_…
_ASSURED = 1 << 2  # IPS_ASSURED
_KINDS = {socket.IPPROTO_UDP: "udp", socket.IPPROTO_TCP: "tcp"}
#: The kernel has no such table, or will never tell us of it; anything else may pass.
_ABSENT = {
    errno.EINVAL,
    errno.EOPNOTSUPP,
    errno.EPROTONOSUPPORT,
    errno.EAFNOSUPPORT,
    errno.EPERM,
    errno.EACCES,
}
_INET = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection; `left` are the seconds until it is forgotten.

    `source` began it. With a mark it is the other host, whoever began: a phone's flow may be one
    that Asterisk opened by asking whether the phone is there.
    """

    version: Version
    kind: str  # "udp", "tcp", or empty for anything else; with " assured" once both ends spoke
    source: str
    port: int
    dest: str
    to: int
    mark: int
    left: int
    key: bytes  # what names it to the kernel: its tuple, its id, its zone


class Connections:
    """The table of this network namespace. Raises `Retryable` if the kernel can't be asked.

    `off`: the agent does without (its configuration says so); then the table looks empty.
    """

    def __init__(self, *, off: bool = False) -> None:
        self._off = off
        self._known = False

    @property
    def there(self) -> bool:
        """Whether the kernel answers about its connections (module nf_conntrack_netlink).

        Raises `Retryable` if that can't be known now: a revocation would else end nothing, and
        say so to nobody.
        """
        if not self._known and not self._off:
            try:
                self._known = any(
                    True for _ in ask(NETFILTER, _STATS, _head(socket.AF_UNSPEC), ACK)
                )
            except OSError as error:
                if error.errno in _ABSENT:
                    return False
                raise _unheard(error) from None
        return self._known

    def find(self, version: Version | None = None, mark: int = 0, mask: int = 0) -> Iterator[Flow]:
        """Connections of a family (or both) whose mark is `mark` under `mask`; the kernel picks."""
        if not self.there:
            return
        head = _head(_INET[version] if version else socket.AF_UNSPEC)
        if mask:
            head += attribute(_MARK, struct.pack(">I", mark))
            head += attribute(_MASK, struct.pack(">I", mask))
        try:
            own = _own()
            for body in ask(NETFILTER, _GET, head, DUMP):
                if (flow := _flow(body)) is not None:
                    yield _turned(flow) if flow.mark and flow.source in own else flow
        except OSError as error:
            raise _unheard(error) from None

    def end(self, flows: Iterable[Flow]) -> None:
        """Forget these; one that has ended by itself is no error."""
        for flow in flows:
            try:
                tell(NETFILTER, _DELETE, _head(_INET[flow.version]) + flow.key)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise _unheard(error) from None


def _unheard(error: OSError) -> Retryable:
    return Retryable(f"the kernel's table of connections: {error.strerror or error}")


def _head(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)  # struct nfgenmsg


def _own() -> set[str]:
    """The addresses of this host (rtnetlink(7); IFA_LOCAL, or IFA_ADDRESS where there is none)."""
    answers = ask(ROUTE, _ADDRESSES, struct.pack("=BBBBi", 0, 0, 0, 0, 0), DUMP)
    found = [attributes(body[8:]) for body in answers]
    return {str(ipaddress.ip_address(has.get(2) or has[1])) for has in found if {1, 2} & has.keys()}


def _turned(flow: Flow) -> Flow:
    return replace(flow, source=flow.dest, port=flow.to, dest=flow.source, to=flow.port)


def _flow(body: bytes) -> Flow | None:
    """One entry of a listing; None for a protocol without ports' form, which nobody here asks for.

    Its key keeps the id: without it a connection that began anew meanwhile would be ended instead.
    """
    has = attributes(body[4:])
    ends = attributes(has.get(_TUPLE, b""))
    addresses, ports = attributes(ends.get(1, b"")), attributes(ends.get(2, b""))
    version: Version = 4 if 1 in addresses else 6
    first = 1 if version == 4 else 3  # CTA_IP_V4_SRC, CTA_IP_V6_SRC
    if first not in addresses or 1 not in ports:
        return None
    kind = _KINDS.get(ports[1][0], "")
    if kind and _number(has.get(_STATUS)) & _ASSURED:
        kind += " assured"
    # NLA_F_NESTED: the kernel takes a tuple in no other form.
    key = attribute(_TUPLE | 0x8000, has[_TUPLE])
    key += b"".join(attribute(part, has[part]) for part in (_ID, _ZONE) if part in has)
    return Flow(
        version,
        kind,
        str(ipaddress.ip_address(addresses[first])),
        _number(ports.get(2)),
        str(ipaddress.ip_address(addresses[first + 1])),
        _number(ports.get(3)),
        _number(has.get(_MARK)),
        _number(has.get(_TIMEOUT)),
        key,
    )


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")
