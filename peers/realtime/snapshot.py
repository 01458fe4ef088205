"""The only reader of the ORM for the realtime target."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Prefetch

from ddiweb.deploy.models import Node
from ddiweb.redact import redacted
from peers import outgoing
from peers.choices import Carrier, StepKind, TokenState, Transport
from peers.models import (
    CallerName,
    CallerRule,
    Mailbox,
    NameLookup,
    Number,
    Person,
    Schedule,
    Step,
    Token,
    Trunk,
)
from peers.realtime import peer_snapshot
from peers.realtime.callers import CallerFacts, CallerNameFacts
from peers.realtime.facts import (
    NodeFacts,
    NumberFacts,
    PersonFacts,
    ServerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)
from peers.realtime.hours import ScheduleFacts
from peers.realtime.mailboxes import MailboxFacts
from peers.tls import names
from peers.vendor_addresses import networks_of


@dataclass(frozen=True)
class ContactCut:
    """A contact that must vanish from Asterisk: it registered with a token that is dead now.

    ``username`` is the name under which it did: the phone's, or the token itself. With TLS the
    token may have been in the server name only, which Asterisk does not keep; so until the phone
    was seen with a live token, ``whole`` ends whatever contact it has.
    """

    username: str
    token: str
    whole: bool = False

    def ends(self, aor: str, text: str) -> bool:
        """Whether a contact of ``aor`` with ``text`` (User-Agent and address) is to go."""
        return self.token in f"{text} {aor}" or (self.whole and aor == self.username)

    def __repr__(self) -> str:
        """Name the phone only: the token is a secret."""
        return f"ContactCut({redacted(self.username)})"


def take(node: Node) -> tuple[Snapshot, tuple[ContactCut, ...]]:
    """Read all facts of ``node`` in one transaction; raises Refused for one that can't be a row."""
    with transaction.atomic():
        networks = networks_of(node)
        snapshot = Snapshot(
            node=NodeFacts(
                slug=node.slug,
                realm=node.realm,
                sip_port=node.sip_port,
                rtp_first=node.rtp_first,
                rtp_last=node.rtp_last,
                iax_port=node.iax_port or 4569,
                public_ipv4=node.public_ipv4 or "",
                public_ipv6=node.public_ipv6 or "",
                tls_port=node.tls_port if names.enabled(node) else 0,
                name_lookup=_name_lookup(node),
            ),
            trunks=tuple(
                _trunk(trunk, networks.get(trunk.pk, ()))
                for trunk in Trunk.objects.filter(node=node, enabled=True)
                .order_by("pk")
                .prefetch_related("servers")
            ),
            peers=peer_snapshot.take(node),
            persons=tuple(
                PersonFacts(one.key, tuple(phone.key for phone in one.phones.all()))
                for one in Person.objects.filter(node=node)
                .order_by("pk")
                .prefetch_related("phones")
            ),
            numbers=tuple(map(_number, _numbers(node))),
            callers=_callers(node),
            outgoing=outgoing.facts(node),
            names=tuple(
                CallerNameFacts(one.e164.removeprefix("+"), one.name)
                for one in CallerName.objects.filter(node=node).order_by("pk")
            ),
            mailboxes=tuple(
                MailboxFacts(box.key, box.name, box.longest)
                for box in Mailbox.objects.filter(node=node).order_by("pk")
            ),
            schedules=tuple(
                _schedule(one)
                for one in Schedule.objects.filter(node=node).prefetch_related("times")
            ),
        )
        return snapshot, _cuts(node)


def _name_lookup(node: Node) -> int:
    asked = NameLookup.objects.filter(node=node, enabled=True).values_list("timeout", flat=True)
    return asked.first() or 0


def _numbers(node: Node) -> "list[Number]":
    rows = Number.objects.filter(trunk__node=node, trunk__enabled=True, enabled=True)
    ordered = (
        Step.objects.order_by("position")
        .select_related("schedule")
        .prefetch_related("sound", "policy", "mailbox__greeting")
    )
    steps = Prefetch("steps", ordered.prefetch_related("places__peer", "person_places__person"))
    return list(rows.select_related("trunk").prefetch_related(steps).order_by("pk"))


def _trunk(trunk: Trunk, networks: tuple[str, ...]) -> TrunkFacts:
    return TrunkFacts(
        key=trunk.key,
        networks=networks,
        servers=_servers(trunk),
        username=trunk.username,
        password=trunk.password,
        register=trunk.register,
        codecs=tuple(trunk.codecs),
        qualify=trunk.qualify and bool(trunk.host),
        did_header=trunk.ddi_header,  # type: ignore[arg-type]  # the database holds no other (CHECK)
        country=trunk.country,
        channels_max=trunk.channels_max,
        transport=trunk.transport,  # type: ignore[arg-type]  # nor of these (CHECK)
        srtp=trunk.srtp,
        proxy=ServerFacts(trunk.proxy, trunk.proxy_port) if trunk.proxy else None,
        from_domain=trunk.from_domain,
        dtmf=trunk.dtmf,  # type: ignore[arg-type]
        caller_in=trunk.caller_in,  # type: ignore[arg-type]
        caller_out=trunk.caller_out,  # type: ignore[arg-type]
        number_in=trunk.number_in,  # type: ignore[arg-type]
        number_out=trunk.number_out,  # type: ignore[arg-type]
        prefix_in=trunk.prefix_in,
        prefix_out=trunk.prefix_out,
        national=trunk.national_prefix,
        international=trunk.international_prefix,
    )


def _servers(trunk: Trunk) -> tuple[ServerFacts, ...]:
    """The vendor's host and the further ones; without the first there are none."""
    if not trunk.host:
        return ()
    further = (ServerFacts(one.host, one.port, one.priority) for one in trunk.servers.all())
    return (ServerFacts(trunk.host, trunk.port), *further)


def _number(number: Number) -> NumberFacts:
    return NumberFacts(
        key=number.digits,
        trunk_key=number.trunk.key,
        display=number.label,
        steps=tuple(_step(step) for step in number.steps.all()),
        anonymous=number.anonymous,  # type: ignore[arg-type]  # the database holds no other (CHECK)
        listed_only=number.listed_only,
        last=number.last_digits,
        show=number.show,  # type: ignore[arg-type]
        final=number.final,  # type: ignore[arg-type]
    )


def number_id(number: Number) -> str:
    """Its key in the realtime tables, as ``NumberFacts.id``."""
    return NumberFacts(number.digits, number.trunk.key, last=number.last_digits).id


def _callers(node: Node) -> tuple[CallerFacts, ...]:
    rules = CallerRule.objects.filter(node=node).select_related("number__trunk")
    return tuple(
        CallerFacts(
            rule.digits,
            rule.allow,
            number_id(rule.number) if rule.number else "",
        )
        for rule in rules.order_by("pk")
    )


def _step(step: Step) -> StepFacts:
    places = step.rung
    forwards = step.kind == StepKind.FORWARD
    return StepFacts(
        position=step.position,
        kind=step.kind,  # type: ignore[arg-type]  # the database holds no other (CHECK)
        targets=tuple(place.target.key for place in places),
        seconds=tuple(place.seconds or step.timeout for place in places),
        in_turn=step.in_turn,
        sound=_sound(step),
        forward_to=step.forward_to.removeprefix("+") if forwards else "",
        policy=step.policy.key if step.policy and forwards else "",
        mailbox=step.mailbox.key if step.mailbox and step.kind == StepKind.VOICEMAIL else "",
        timeout=step.timeout,
        cause=step.cause,  # type: ignore[arg-type]
        schedule=step.schedule.key if step.schedule else "",
    )


def _sound(step: Step) -> str:
    """What it plays: an announcement, or its mailbox's greeting."""
    sound = step.sound if step.kind == StepKind.ANNOUNCE else None
    if step.kind == StepKind.VOICEMAIL and step.mailbox:
        sound = step.mailbox.greeting
    return sound.key if sound else ""


def _schedule(schedule: Schedule) -> ScheduleFacts:
    times = tuple(line.facts() for line in schedule.times.all())
    return ScheduleFacts(schedule.key, schedule.zone, times)


def _cuts(node: Node) -> tuple[ContactCut, ...]:
    dead = Token.objects.filter(
        node=node, state=TokenState.REVOKED, cut_at__isnull=True, peer__isnull=False
    ).select_related("peer")
    seen = Token.objects.filter(
        node=node, state__in=[TokenState.CURRENT, TokenState.RETIRING], peer__isnull=False
    )
    shown = set(seen.values_list("peer_id", flat=True))
    return tuple(
        # A name of another carrier than now: its account, and the contact with it, went then.
        ContactCut(
            token.value if token.peer.carrier == Carrier.USERNAME else token.peer.username,
            token.value,
            whole=token.peer.transport == Transport.TLS and token.peer_id not in shown,
        )
        for token in dead
        if token.peer is not None and token.value
    )
