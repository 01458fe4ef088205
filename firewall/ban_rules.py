"""Whom no ban may touch. Asked before a ban is stored, whoever wants it; the agent asks again."""

import ipaddress
from collections.abc import Iterable, Iterator

from django.core.exceptions import ValidationError
from django.db.models import Q

from ddiweb import clock
from ddiweb.deploy.models import Node
from ddiweb.live.models import Contact
from ddiweb.live.names import labels
from firewall.ban_models import Ban
from firewall.models import AddressException, ManagementNetwork
from firewall.ruleset.types import MAX_BANS
from peers import rules
from peers.vendor_addresses import vendors

#: A timed ban is no wider than this: the agent would refuse it (firewall/agent/jail.py).
WIDEST_TIMED = {4: 24, 6: 48}


def refuse(row: Ban, own_address: str = "") -> None:
    """Raise ValidationError with every reason why this ban must not be."""
    faults = [*_too_much(row), *_guarded(row), *_oneself(row, own_address), *_online(row)]
    if faults:
        raise ValidationError({"cidr": faults})


def online(node: Node, cidr: str) -> list[str]:
    """The names of phones that are registered from within a network now."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now())
    contacts = Contact.objects.filter(alive, node=node, endpoint__startswith="peer_")
    found = [row.endpoint for row in contacts if _within(host(row.address), cidr)]
    return sorted(labels(found).values())


def host(address: str) -> str:
    """The host of ``192.0.2.1:5060`` or ``[2001:db8::1]:5060``; empty if it is no address."""
    text = address.rpartition(":")[0] if address.count(":") == 1 or "]" in address else address
    text = text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _within(address: str, cidr: str) -> bool:
    return bool(address) and rules.overlaps(_whole(address), cidr)


def _whole(address: str) -> str:
    return str(ipaddress.ip_network(address))


def _too_much(row: Ban) -> Iterator[ValidationError]:
    net = ipaddress.ip_network(row.cidr)
    least = WIDEST_TIMED[net.version]
    if row.until is not None and net.prefixlen < least:
        yield ValidationError(
            f"{net} is too wide for a timed ban: name a /{least} or narrower, or ban it until it "
            "is lifted.",
            code="too_wide",
        )
    active = Ban.objects.filter(node=row.node).active()
    for other in active.filter(cidr__in=[str(one) for one in _around(net)]):
        yield ValidationError(
            f"{other} is banned already ({other.get_reason_display().lower()}). Let it in again "
            "first, then ban it anew.",
            code="banned_already",
        )
    if row.until is None and active.filter(until__isnull=True).count() >= MAX_BANS:
        yield ValidationError(
            f"This node has {MAX_BANS} bans without an end already: write fewer, wider ones.",
            code="too_many",
        )


def _around(net: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Iterable[object]:
    """The network itself and every wider one that holds it."""
    least = 8 if net.version == 4 else 16
    return [net.supernet(new_prefix=size) for size in range(least, net.prefixlen)] + [net]


def _guarded(row: Ban) -> Iterator[ValidationError]:
    node = row.node
    managers = ManagementNetwork.objects.filter(node=node).values_list("cidr", flat=True)
    exceptions = AddressException.objects.filter(node=node).values_list("cidr", flat=True)
    own = [_whole(one) for one in (node.public_ipv4, node.public_ipv6) if one]
    for what, remedy, nets in (
        ("a management network", "take it out of the management networks first", managers),
        ("a vendor", "take it out of its trunk first", vendors(node)),
        ("an exception", "delete the exception first", exceptions),
        ("the node itself", "name another address", own),
    ):
        for net in nets:
            if rules.overlaps(net, row.cidr):
                yield ValidationError(
                    f"{row} would shut out {what} ({net}): ban something narrower, or {remedy}.",
                    code="guarded",
                )


def _oneself(row: Ban, own_address: str) -> Iterator[ValidationError]:
    if _within(host(own_address), row.cidr):
        yield ValidationError(
            f"{row} holds {own_address}, where you sit: ban something narrower, or do it from "
            "elsewhere.",
            code="own_address",
        )


def _online(row: Ban) -> Iterator[ValidationError]:
    names = [] if row.node.ban_online else online(row.node, row.cidr)
    if names:
        shown = ", ".join(f"“{name}”" for name in names[:3])
        rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield ValidationError(
            f"{shown}{rest} would be cut off: registered from {row} now. Ban something narrower, "
            "or allow bans of addresses with a phone online at the node.",
            code="phone_online",
        )
