"""Which part of a change could cut the administrator off. Pure.

Only what takes a way in, or moves a port under one, is critical: SSH through a network that goes,
a VPN whose UDP port falls into the RTP range, a service that is closed. Tokens, vendors, bans and
anything that lets more in are not: they never wait for a person.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from firewall.ruleset.types import Intent, Management, Service
from firewall.ruleset.values import Invalid

FIRST = "these are the first rules of this host: what they do not name is shut out"
_PORTS = {
    "sip_port": "the SIP port moves from {} to {}",
    "tls_port": "the port of SIP over TLS moves from {} to {}",
    "rtp_first": "the first RTP port moves from {} to {}",
    "rtp_last": "the last RTP port moves from {} to {}",
}
_IAX2 = 4569  # IANA's; no VPN that the host opened comes in there
_LISTS = ("management", "management_ports", "services")


@dataclass(frozen=True)
class Split:
    """`now` cuts nobody off; `changes` says in plain words what the rest would do, if anything."""

    now: Intent
    changes: tuple[str, ...]


def split(before: Intent, wanted: Intent, builtin: Management) -> Split:
    """The part of `wanted` that may come into force at once, and what it leaves for a trial."""
    changes = (*_removed(before, wanted, builtin), *_moved(before, wanted))
    return Split(_kept(before, wanted) if changes else wanted, changes)


def _removed(before: Intent, wanted: Intent, builtin: Management) -> Iterable[str]:
    """Management is networks times ports: a way is gone if either half is."""
    left = (*builtin.networks, *wanted.management)
    for net in before.management:
        if not any(_holds(other, net) for other in left):
            yield f"management network {net} is removed"
    for port in before.management_ports:
        if port not in builtin.ports and port not in wanted.management_ports:
            yield f"management port {port} is removed"
    for service in before.services:
        if not service.ends and not any(_serves(other, service) for other in wanted.services):
            span = f"{service.first}" + f"-{service.last}" * (service.first != service.last)
            whom = f" for {service.network}" if service.network else ""
            yield f"service {service.protocol} {span}{whom} is removed"


def _moved(before: Intent, wanted: Intent) -> Iterable[str]:
    for name, words in _PORTS.items():
        old, new = getattr(before, name), getattr(wanted, name)
        if old != new and old:  # a port that was not there takes nothing away
            yield words.format(old, new or "none")
    if wanted.iax_port not in (before.iax_port, 0, _IAX2):
        yield f"the IAX2 port moves from {before.iax_port or 'none'} to {wanted.iax_port}"


def _kept(before: Intent, wanted: Intent) -> Intent:
    """`wanted` with all ways in of `before`; new ones as well, if they can stand side by side."""
    old: dict[str, Any] = {name: getattr(before, name) for name in (*_PORTS, "iax_port", *_LISTS)}
    # What was to end may end: kept on, it would stay open for as long as nobody confirms the rest.
    old["services"] = tuple(one for one in before.services if not one.ends)
    both = {name: tuple(dict.fromkeys((*old[name], *getattr(wanted, name)))) for name in _LISTS}
    try:
        return replace(wanted, **old | both)
    except Invalid:  # a new management port is the old SIP port; too many together
        return replace(wanted, **old)


def _serves(other: Service, service: Service) -> bool:
    wide = other.first <= service.first and service.last <= other.last
    open_to = not other.network or (service.network and _holds(other.network, service.network))
    return wide and other.protocol == service.protocol and bool(open_to)


def _holds(outer: str, inner: str) -> bool:
    """Whether a network holds all of another."""
    one, other = ipaddress.ip_network(outer), ipaddress.ip_network(inner)
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]
