"""Rules that span several rows. Forms and the API ask them before anything is saved."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models.functions import Length

from ddiweb.deploy.models import Node
from firewall.ruleset.types import MAX_NETWORKS
from peers.choices import StepKind, TrunkTransport
from peers.models import (
    Mailbox,
    Number,
    OutgoingPolicy,
    Peer,
    Person,
    Schedule,
    Sound,
    Step,
    Trunk,
    TrunkNetwork,
)
from peers.person_rules import phones_of
from peers.realtime.routes import TARGETS_MAX
from peers.realtime.trunks import SERVERS_MAX

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: More stages than a caller would ever wait for; positions go up to 20, the rest is room to move.
MOST_STEPS = 10
#: Names of one trunk.
MOST_HOSTS = 16
#: Hosts of one trunk beside the first.
MOST_SERVERS = SERVERS_MAX - 1


def overlaps(left: str, right: str) -> bool:
    """Tell whether two canonical networks share an address."""
    one, two = ipaddress.ip_network(left), ipaddress.ip_network(right)
    return one.version == two.version and one.overlaps(two)


def networks_are_the_trunks_own(node_id: int, trunk_id: int | None, cidrs: Iterable[str]) -> None:
    """Refuse networks that another trunk of the node claims too.

    An INVITE is known by its source address and must belong to exactly one trunk. Call it within
    the transaction of the edit: it locks the node against a second editor. Raises ValidationError.
    """
    Node.objects.select_for_update().filter(pk=node_id).first()
    others = TrunkNetwork.objects.filter(trunk__node_id=node_id).select_related("trunk")
    if trunk_id is not None:
        others = others.exclude(trunk_id=trunk_id)
    taken, cidrs = list(others), list(cidrs)
    if len(taken) + len(cidrs) > MAX_NETWORKS:
        raise ValidationError(
            f"With these the node's trunks would have {len(taken) + len(cidrs)} networks, and it "
            f"takes {MAX_NETWORKS}: write fewer, wider ones.",
            code="too_many_networks",
        )
    faults = [
        ValidationError(
            f"{cidr} overlaps {other.cidr} of the trunk “{other.trunk}”: a call must belong to "
            "exactly one trunk. Take it out of one of the two, or write narrower networks.",
            code="overlap",
        )
        for cidr in cidrs
        for other in taken
        if overlaps(cidr, other.cidr)
    ]
    if faults:
        raise ValidationError(faults)


def usernames_differ(node_id: int, username: str, *, of_trunk: bool) -> None:
    """Refuse a username that a trunk and a peer of one node would share. Raises ValidationError."""
    if not username:
        return
    if of_trunk:
        clash: Trunk | Peer | None = Peer.objects.filter(node_id=node_id, username=username).first()
        kind = "peer"
    else:
        clash = Trunk.objects.filter(node_id=node_id, username=username).first()
        kind = "trunk"
    if clash is not None:
        raise ValidationError(
            f"the {kind} “{clash}” on this node signs in with this name; choose another one",
            code="username_taken",
        )


def registration_is_whole(*, register: bool, password: str) -> None:
    """Refuse to register without a password. Raises ValidationError."""
    if register and not password:
        raise ValidationError(
            "To register with the vendor, give the account's password.", code="no_password"
        )


def servers_differ(host: str, port: int, servers: Iterable[tuple[str, int]]) -> None:
    """Refuse further hosts without a first one, and one that is named twice. Raises."""
    seen = {(host.lower(), port)}
    for name, number in servers:
        if not host:
            raise ValidationError(
                "Further hosts need a first one: give the vendor's host.", code="no_host"
            )
        if (name.lower(), number) in seen:
            raise ValidationError(
                f"{name}:{number} is named twice; name each host once.", code="repeated"
            )
        seen.add((name.lower(), number))


def transport_is_possible(node: Node, transport: str) -> None:
    """Refuse TLS to a vendor on a node that has none. Raises ValidationError."""
    if transport == TrunkTransport.TLS and not (node.tls_port and node.sip_domain):
        raise ValidationError(
            f"the node “{node}” has no TLS: give it a TLS port and a host name for TLS in its "
            "settings first",
            code="no_tls",
        )


@dataclass(frozen=True)
class StepDraft:
    """A step as it would be saved."""

    kind: str
    peers: Sequence[Peer] = ()
    schedule: Schedule | None = None
    sound: Sound | None = None
    mailbox: Mailbox | None = None
    forward_to: str = ""
    policy: OutgoingPolicy | None = None
    persons: Sequence[Person] = ()


def draft(step: Step) -> StepDraft:
    """A stored step, to be checked beside others."""
    return StepDraft(
        step.kind,
        list(step.peers.all()),
        step.schedule,
        step.sound,
        step.mailbox,
        step.forward_to,
        step.policy,
        list(step.persons.all()),
    )


def route_is_whole(node_id: int, *, enabled: bool, steps: Sequence[StepDraft]) -> None:
    """Refuse a route that could not be followed. Raises ValidationError.

    An enabled number has a step; a ring step rings peers of the number's own node; hours are those
    of its node; nothing comes after a rejection at all hours.
    """
    if enabled and not steps:
        raise ValidationError(
            "An enabled number needs at least one step: say who rings, or switch the number off.",
            code="no_steps",
        )
    if len(steps) > MOST_STEPS:
        raise ValidationError(
            f"A route has at most {MOST_STEPS} steps; take {len(steps) - MOST_STEPS} out.",
            code="too_many_steps",
        )
    for position, step in enumerate(steps, start=1):
        step_is_of_its_node(node_id, position, step)
        if step.kind == StepKind.REJECT and not step.schedule and position < len(steps):
            raise ValidationError(
                f"Step {position} rejects the call, so the steps after it are never reached: "
                "put it last.",
                code="after_reject",
            )
        if step.kind == StepKind.RING:
            step_rings_somebody(node_id, position, step.peers, step.persons)


def step_is_of_its_node(node_id: int, position: int, step: StepDraft) -> None:
    """Refuse what a step needs and lacks, or has of another node. Raises ValidationError."""
    if step.kind == StepKind.ANNOUNCE and step.sound is None:
        raise ValidationError(
            f"Step {position} plays nothing: choose an announcement.", code="no_sound"
        )
    if step.kind == StepKind.VOICEMAIL and step.mailbox is None:
        raise ValidationError(
            f"Step {position} has no mailbox: choose where the message is left.", code="no_mailbox"
        )
    if step.kind == StepKind.FORWARD:
        step_forwards_elsewhere(position, step)
    things = ((step.schedule, "hours"), (step.sound, "announcement"), (step.mailbox, "mailbox"),
              (step.policy, "outgoing policy"))  # fmt: skip
    for thing, what in things:
        if thing is not None and thing.node_id != node_id:
            code = "schedule_of_another_node" if what == "hours" else f"{what}_of_another_node"
            raise ValidationError(
                f"Step {position} has the {what} “{thing}” of another node: choose {what} of the "
                "number's own node.",
                code=code,
            )


def step_forwards_elsewhere(position: int, step: StepDraft) -> None:
    """Refuse to forward to nowhere, or to a number of our own. Raises ValidationError."""
    if not step.forward_to or step.policy is None:
        raise ValidationError(
            f"Step {position} forwards the call: give a telephone number and an outgoing policy.",
            code="no_destination",
        )
    own = Number.objects.filter(e164=step.forward_to, last="")
    # Of one length, digits sort as the numbers do.
    blocks = Number.objects.annotate(size=Length("last")).filter(
        size=len(step.forward_to), e164__lte=step.forward_to, last__gte=step.forward_to
    )
    if own.exists() or blocks.exists():
        raise ValidationError(
            f"Step {position} forwards to {step.forward_to}, which is one of your own numbers: the "
            "call would come back in a circle, and be paid for each time. Ring its phones instead.",
            code="own_number",
        )


def step_rings_somebody(
    node_id: int, position: int, peers: Sequence[Peer], persons: Sequence[Person] = ()
) -> None:
    """Refuse a ring step without phones, or with one of another node. Raises ValidationError."""
    for person in persons:
        if person.node_id != node_id:
            raise ValidationError(
                f"Step {position}: the person “{person}” is on another node; choose persons of the "
                "number's own node.",
                code="other_node",
            )
    phones = len(phones_of(peers, persons))
    if not phones:
        also = ", or give the person a phone" if persons else " or person"
        raise ValidationError(
            f"Step {position} rings nobody: choose at least one peer{also}.", code="no_peers"
        )
    if phones > TARGETS_MAX:
        raise ValidationError(
            f"Step {position} rings {phones} phones, and at most {TARGETS_MAX} can ring at "
            "once: spread them over more steps.",
            code="too_many_peers",
        )
    for peer in peers:
        if peer.node_id != node_id:
            raise ValidationError(
                f"Step {position}: the peer “{peer}” is on the node “{peer.node}”, and the number "
                "comes in on another one; choose peers of the number's own node.",
                code="other_node",
            )


def mailbox_is_of_its_node(node_id: int, greeting: Sound | None, peers: Iterable[Peer]) -> None:
    """Refuse a greeting or a phone of another node. Raises ValidationError."""
    things: list[Sound | Peer] = [*peers]
    for thing in [*things, greeting] if greeting else things:
        if thing.node_id != node_id:
            raise ValidationError(
                f"“{thing}” is on another node; choose what is on the mailbox's own.",
                code="other_node",
            )
