"""Which part of a change could cut the administrator off. Pure.

Only what takes a way in, or moves a port under one, is critical: SSH through a network that goes,
a VPN whose UDP port falls into the RTP range. Tokens, vendors, bans and anything that lets more in
are not: they never wait for a person.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from firewall.ruleset.types import Intent, Invalid, Management

FIRST = "these are the first rules of this host: all that they do not name is shut out"
_PORTS = (
    ("sip_port", "the SIP port changes from {} to {}"),
    ("rtp_first", "the RTP range starts at {1} instead of {0}"),
    ("rtp_last", "the RTP range ends at {1} instead of {0}"),
)


@dataclass(frozen=True)
class Split:
    """`now` cuts nobody off; `changes` says in plain words what the rest would do, if anything."""

    now: Intent
    changes: tuple[str, ...]


def split(before: Intent, wanted: Intent, builtin: Management) -> Split:
    """The part of `wanted` that may come into force at once, and what it leaves for a trial."""
    changes = (*_management(before, wanted, builtin), *_moved(before, wanted))
    return Split(_kept(before, wanted) if changes else wanted, tuple(changes))


def _management(before: Intent, wanted: Intent, builtin: Management) -> Iterable[str]:
    """Management is networks times ports: a way is gone if either half is."""
    left = (*builtin.networks, *wanted.management)
    for net in before.management:
        if not _covered(net, left):
            yield f"management network {net} is removed"
    for port in before.management_ports:
        if port not in builtin.ports and port not in wanted.management_ports:
            yield f"management port {port} is removed"


def _moved(before: Intent, wanted: Intent) -> Iterable[str]:
    for name, words in _PORTS:
        old, new = getattr(before, name), getattr(wanted, name)
        if old != new:
            yield words.format(old, new)


def _kept(before: Intent, wanted: Intent) -> Intent:
    """`wanted` with all ways in of `before`; new ones as well, if they can stand side by side."""
    old = {name: getattr(before, name) for name, _ in _PORTS}
    old |= {"management": before.management, "management_ports": before.management_ports}
    both = {name: _union(getattr(before, name), getattr(wanted, name)) for name in _LISTS}
    try:
        return replace(wanted, **old | both)
    except Invalid:  # a new management port is the old SIP port; too many together
        return replace(wanted, **old)


_LISTS = ("management", "management_ports")


def _union(old: Sequence[object], new: Sequence[object]) -> tuple[object, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _covered(net: str, others: Iterable[str]) -> bool:
    """Whether one of the others holds all of it."""
    inner = ipaddress.ip_network(net)
    for text in others:
        outer = ipaddress.ip_network(text)
        if outer.version == inner.version and inner.subnet_of(outer):  # type: ignore[arg-type]
            return True
    return False
