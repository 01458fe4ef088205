"""Single values that a rule may carry: numbers, networks, ports, and how others are refused."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ddiweb.deploy.errors import Refused

MAX_MANAGEMENT_PORTS = 15  # one multiport match holds no more (iptables-extensions)
WIDEST = {4: 8, 6: 16}  # prefix lengths

_NETWORK = re.compile(r"\A[0-9a-f:.]{2,45}/[0-9]{1,3}\Z")
_SECRET = re.compile(r"(ddi-[a-z2-7]{8}-[a-z2-7]{4})[a-z2-7]+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Invalid(Refused):
    """A value that no ruleset may carry: which field, what is wrong with it, and the way out."""

    def __init__(self, field: str, fault: str, remedy: str) -> None:
        super().__init__(f"{field}: {fault}; {remedy}")
        self.field = field
        self.fault = fault
        self.remedy = remedy


def redact(text: str) -> str:
    """`text` with each token cut to its site prefix and four characters."""
    return _SECRET.sub("\\1\N{HORIZONTAL ELLIPSIS}", text)


def whole(value: object, field: str, low: int, high: int) -> int:
    """`value` as an integer of low..high; raises `Invalid` (a bool is not an integer here)."""
    if type(value) is not int:
        raise Invalid(field, "is not an integer", f"give a number from {low} to {high}")
    if not low <= value <= high:
        raise Invalid(field, "is out of range", f"give a number from {low} to {high}")
    return value


def network(value: object, field: str) -> Network:
    """`value` as a network; raises `Invalid` unless it is written as ipaddress prints it.

    The kernel's tools read `010.1.1.1` as 8.1.1.1, resolve names and take `x/0` for any
    (threats.md), hence only the canonical form is accepted.
    """
    remedy = "write it as 203.0.113.0/24 or 2001:db8::/32"
    if not isinstance(value, str) or not _NETWORK.match(value):
        raise Invalid(field, "is not a network in canonical form", remedy)
    try:
        parsed = ipaddress.ip_network(value, strict=True)
    except ValueError:
        raise Invalid(field, "is not a network, or has host bits set", remedy) from None
    if str(parsed) != value:
        raise Invalid(field, "is not written in canonical form", f"write {parsed}")
    if parsed.prefixlen < WIDEST[parsed.version]:
        raise Invalid(
            field, "is too wide", f"give /{WIDEST[4]} or longer for IPv4, /{WIDEST[6]} for IPv6"
        )
    if parsed.version == 6 and int(parsed.network_address) >> 48 == 0:
        # ::/80 and below: IPv4-mapped and -compatible forms, which libc prints in another way.
        raise Invalid(field, "is an IPv4 address in IPv6 form", "write it as IPv4")
    return parsed


def networks(values: Sequence[object], field: str, limit: int) -> tuple[str, ...]:
    """`values` checked by `network`, without repetition, in numeric order."""
    sized(values, field, limit)
    parsed = [network(value, f"{field}[{index}]") for index, value in enumerate(values)]
    if len(set(parsed)) != len(parsed):
        raise Invalid(field, "holds a network twice", "give each network once")
    parsed.sort(key=lambda net: (net.version, int(net.network_address), net.prefixlen))
    return tuple(str(net) for net in parsed)


def ports(values: Sequence[object], field: str) -> tuple[int, ...]:
    """`values` as distinct TCP ports in ascending order; raises `Invalid`."""
    sized(values, field, MAX_MANAGEMENT_PORTS)
    checked = [whole(value, f"{field}[{index}]", 1, 65_535) for index, value in enumerate(values)]
    if len(set(checked)) != len(checked):
        raise Invalid(field, "holds a port twice", "give each port once")
    return tuple(sorted(checked))


def sized(values: Sequence[object], field: str, limit: int) -> None:
    """Raise `Invalid` unless `values` is a list of at most `limit` entries."""
    if not isinstance(values, tuple | list):
        raise Invalid(field, "is not a list", "give a list")
    if len(values) > limit:
        raise Invalid(field, f"has {len(values)} entries", f"give at most {limit}")


def record(
    raw: object, where: str, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """`raw` as an object with all of `names`, perhaps some of `optional`; raises `Invalid`."""
    if not isinstance(raw, Mapping):
        raise Invalid(where, "is not an object", "send an object")
    unknown = sorted(str(name) for name in raw if name not in names and name not in optional)
    if unknown:
        # The name came from outside: its repr holds no control character, its length is cut.
        raise Invalid(where, f"has an unknown field {unknown[0][:40]!r}", "update agent and panel")
    missing = [name for name in names if name not in raw]
    if missing:
        raise Invalid(f"{where}.{missing[0]}", "is missing", "send every field")
    return dict(raw)
