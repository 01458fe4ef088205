"""Rules between objects, for forms and API alike; single values stand in ``ddiweb.validators``.

Each takes plain values, reads what it needs and raises ValidationError with the fault and the
remedy. Call them within the transaction of the write, with the node's row locked, so that two
editors can't both be right.
"""

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from peers.choices import StepKind
from peers.models import Number, Peer, Step, Trunk, TrunkNetwork

#: A route longer than this is a mistake; the database refuses it too.
MOST_STEPS = 20
#: Asterisk gives an endpoint of this name to callers who give none.
RESERVED_USERNAMES = frozenset({"anonymous"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class TakenNetwork:
    """A network from which another trunk's calls come."""

    network: Network
    trunk: str


def networks_of_other_trunks(node_id: int, trunk_id: int | None = None) -> list[TakenNetwork]:
    """The networks of the node's trunks, those of ``trunk_id`` left out."""
    rows = TrunkNetwork.objects.filter(trunk__node_id=node_id).exclude(trunk_id=trunk_id)
    return [
        TakenNetwork(ipaddress.ip_network(cidr), name)
        for cidr, name in rows.values_list("cidr", "trunk__name")
    ]


def network_is_free(cidr: str, taken: Iterable[TakenNetwork]) -> None:
    """Refuse a network that overlaps another trunk's: a call's address must name one trunk."""
    mine = ipaddress.ip_network(cidr)
    for other in taken:
        if mine.version == other.network.version and mine.overlaps(other.network):
            raise ValidationError(
                f"{cidr} overlaps {other.network} of the trunk “{other.trunk}”; "
                "name addresses that only this vendor uses",
                code="overlap",
            )


def networks_differ(cidrs: Iterable[str]) -> None:
    """Refuse a network that is named twice."""
    seen: set[str] = set()
    for cidr in cidrs:
        if cidr in seen:
            raise ValidationError(f"{cidr} is named twice; name it once", code="repeated")
        seen.add(cidr)


def stays_on_node(before: int, after: int, what: str) -> None:
    """Refuse to move a peer, a trunk or a number: its rows and tokens live on its node."""
    if before != after:
        raise ValidationError(
            f"a {what} can't move to another node; add it there and delete it here",
            code="immutable",
        )


def step_is_sound(kind: str, peers: Collection[Peer], node_id: int) -> None:
    """Refuse a ringing step without peers or with another node's, and a rejecting one with any."""
    if kind == StepKind.RING and not peers:
        raise ValidationError(
            "a ringing step needs a peer; name one, or make the step a reject", code="no_peer"
        )
    if kind == StepKind.REJECT and peers:
        raise ValidationError("a rejecting step rings nobody; name no peer", code="peers")
    for peer in peers:
        if peer.node_id != node_id:
            raise ValidationError(
                f"{peer} is a peer of another node; name peers of the number's own node",
                code="other_node",
            )


def route_is_sound(kinds: Collection[str]) -> None:
    """Refuse a route that is too long, or goes on behind a step that ends the call."""
    if len(kinds) > MOST_STEPS:
        raise ValidationError(
            f"a route has at most {MOST_STEPS} steps; leave some out", code="too_many"
        )
    if StepKind.REJECT in list(kinds)[:-1]:
        raise ValidationError(
            "a rejected call is over: let the reject be the last step", code="unreachable"
        )


def peer_username_is_free(node_id: int, username: str) -> None:
    """Refuse a peer's username that a trunk of the node signs in with, or Asterisk reserves."""
    if username.lower() in RESERVED_USERNAMES:
        raise ValidationError(
            f"{username} has a meaning of its own in Asterisk; choose another", code="reserved"
        )
    if Trunk.objects.filter(node_id=node_id, username=username).exists():
        raise ValidationError("a trunk uses this username; choose another", code="taken_by_trunk")


def trunk_username_is_free(node_id: int, username: str) -> None:
    """Refuse a trunk's username that a peer of the node signs in with."""
    if username and Peer.objects.filter(node_id=node_id, username=username).exists():
        raise ValidationError(
            "a peer of this node uses this username; rename the peer first", code="taken_by_peer"
        )


def peers_can_go(peers: Iterable[Peer]) -> None:
    """Refuse to delete peers if a ringing step would be left with nobody to ring."""
    going = {peer.pk for peer in peers}
    steps = Step.objects.filter(kind=StepKind.RING, peers__in=going).distinct()
    for step in steps.select_related("number").prefetch_related("peers"):
        if {peer.pk for peer in step.peers.all()} <= going:
            raise ValidationError(
                f"step {step.position} of {step.number} would ring nobody; "
                "give it another peer, or delete the step first",
                code="last_peer",
            )


def number_stays_on_node(number: Number, trunk: Trunk) -> None:
    """Refuse to give a number a trunk of another node."""
    stays_on_node(number.trunk.node_id, trunk.node_id, "number")
