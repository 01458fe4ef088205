"""What the first page shows, read in a handful of queries; no work in the template."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from ddiweb.live import heartbeat
from ddiweb.live.heartbeat import Pulse
from ddiweb.live.models import Call, Channel, Contact, SecurityEvent, TrunkState
from ddiweb.live.names import labels
from firewall.ban_models import Ban
from peers import passwords
from peers.choices import TokenState
from peers.leak_models import TokenLeak
from peers.models import NodeCertificate, Number, Peer, Token, TollAlarm, Trunk

#: Rows of each list on the first page; the rest is a click away.
SHOWN = 6
NEEDS_A_PERSON = (State.FAILED, State.ROLLED_BACK, State.REFUSED)


@dataclass(frozen=True)
class NodeCard:
    """A node, its newest deployment, and whether its processes live."""

    node: Node
    last: Deployment | None
    watch: Pulse
    worker: Pulse
    certificate: NodeCertificate | None = None

    @property
    def trouble(self) -> bool:
        """Whether its newest deployment waits for a person."""
        return self.last is not None and self.last.state in NEEDS_A_PERSON

    @property
    def certificate_trouble(self) -> str:
        """What is wrong with its certificate, in words; empty if nothing is."""
        found = self.certificate
        if found is None or self.node.dry_run:
            return ""
        if found.overdue:
            return "was not renewed when it was due"
        return "" if found.served else "is not the one that Asterisk answers with"


@dataclass(frozen=True)
class PhoneRow:
    """A registered phone."""

    peer: Peer
    contact: Contact


@dataclass(frozen=True)
class CallRow:
    """A call with the name of the phone that had it."""

    call: Call
    phone: str
    answered: bool


@dataclass(frozen=True)
class Rotation:
    """A phone not seen with its new token; ``ends``: when the old one does, None: it has."""

    peer: Peer
    ends: datetime | None
    #: Whether no phone ever showed any of the peer's tokens: it was never set up.
    unseen: bool = False


@dataclass(frozen=True)
class AilingTrunk:
    """A vendor from whom no call is to be expected, or one of whose hosts is dead."""

    name: str
    state: TrunkState


@dataclass(frozen=True)
class AlarmRow:
    """A cap that was reached, with the name of the phone or trunk whose it is."""

    alarm: TollAlarm
    name: str


@dataclass(frozen=True)
class FirstSteps:
    """What a new panel still lacks, in the order in which it is made."""

    node: bool
    trunk: bool
    peer: bool
    number: bool

    @property
    def done(self) -> bool:
        """Whether a call could come in."""
        return self.node and self.trunk and self.peer and self.number


@dataclass(frozen=True)
class Board:
    """Everything on the first page; a part is empty if the person may not see it."""

    steps: FirstSteps
    nodes: Sequence[NodeCard]
    registered: Sequence[PhoneRow]
    away: Sequence[Peer]
    #: Those of them whose account was given no password yet.
    no_password: frozenset[int]
    here: int
    phones: int
    calls: Sequence[CallRow]
    calls_in_day: int
    answered_in_day: int
    events: Sequence[SecurityEvent]
    events_in_day: int
    rotations: Sequence[Rotation]
    leaks: Sequence[TokenLeak]
    alarms: Sequence[AlarmRow]
    bans: int
    channels: int
    trunks_ailing: Sequence[AilingTrunk]
    may_ban: bool
    at: datetime

    @property
    def troubled(self) -> list[NodeCard]:
        """Nodes whose newest deployment needs a person."""
        return [card for card in self.nodes if card.trouble]

    @property
    def calm(self) -> bool:
        """Whether nothing needs anybody."""
        silent = any(not (card.worker.alive and card.watch.alive) for card in self.nodes)
        certificates = any(card.certificate_trouble for card in self.nodes)
        owed = any(card.node.restart_owed for card in self.nodes)
        waits = owed or self.troubled or self.rotations or self.leaks or self.alarms
        return not (waits or self.trunks_ailing or silent or certificates)


User = AbstractBaseUser | AnonymousUser


def read(user: User) -> Board:
    """Read the board for ``user``."""
    now = timezone.now()
    day_ago = now - timedelta(days=1)
    registered, away = _phones(now) if _may(user, "peers.view_peer") else ([], [])
    calls = Call.objects.all()
    if not _may(user, "live.view_call"):
        calls = calls.none()
    events = SecurityEvent.objects.select_related("node")
    if not _may(user, "live.view_securityevent"):
        events = events.none()
    return Board(
        steps=_steps(),
        nodes=_nodes() if _may(user, "deploy.view_node") else [],
        registered=registered[: SHOWN * 2],
        away=away[:SHOWN],
        no_password=frozenset(peer.pk for peer in away[:SHOWN] if passwords.is_due(peer)),
        here=len(registered),
        phones=len(registered) + len(away),
        calls=_named(list(calls[:SHOWN])),
        calls_in_day=calls.filter(started_at__gte=day_ago).count(),
        answered_in_day=calls.filter(
            started_at__gte=day_ago, disposition__iexact="answered"
        ).count(),
        events=list(events[:SHOWN]),
        events_in_day=events.filter(at__gte=day_ago).count(),
        leaks=_leaks() if _may(user, "peers.view_token") else [],
        alarms=_alarms(day_ago) if _may(user, "peers.view_tollalarm") else [],
        bans=Ban.objects.active().count() if _may(user, "firewall.view_ban") else 0,
        channels=_calls_up() if _may(user, "live.view_channel") else 0,
        trunks_ailing=_ailing() if _may(user, "live.view_trunkstate") else [],
        may_ban=_may(user, "firewall.add_ban"),
        rotations=_rotations() if _may(user, "peers.view_token") else [],
        at=now,
    )


def _may(user: User, permission: str) -> bool:
    return bool(getattr(user, "has_perm", lambda _: False)(permission))


def _steps() -> FirstSteps:
    return FirstSteps(
        node=Node.objects.exists(),
        trunk=Trunk.objects.exists(),
        peer=Peer.objects.exists(),
        number=Number.objects.exists(),
    )


def _nodes() -> list[NodeCard]:
    certificates = {row.node_id: row for row in NodeCertificate.objects.all()}
    return [
        NodeCard(
            node,
            node.deployments.exclude(state=State.SUPERSEDED).first(),
            heartbeat.pulse(heartbeat.watch_name(node.slug)),
            heartbeat.pulse(heartbeat.worker_name(node.slug)),
            certificates.get(node.pk),
        )
        for node in Node.objects.all()
    ]


def _phones(now: datetime) -> tuple[list[PhoneRow], list[Peer]]:
    """Enabled peers: those with a contact, the latest first, and those without."""
    alive = Contact.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
    contacts = {(row.node_id, row.endpoint): row for row in alive}
    here, away = [], []
    for peer in Peer.objects.filter(enabled=True).select_related("node"):
        contact = contacts.get((peer.node_id, peer.key))
        if contact is None:
            away.append(peer)
        else:
            here.append(PhoneRow(peer, contact))
    return sorted(here, key=lambda row: row.contact.first_seen_at, reverse=True), away


def _named(calls: Sequence[Call]) -> list[CallRow]:
    names = labels(call.peer for call in calls)
    return [
        CallRow(call, names[call.peer], call.disposition.lower() == "answered") for call in calls
    ]


def _rotations() -> list[Rotation]:
    """Phones that wait for their new token: cut off already, or soon; the most urgent first."""
    ending = Token.objects.filter(grace_until__isnull=False).exclude(state=TokenState.REVOKED)
    found = {peer.pk: Rotation(peer, None) for peer in _cut_off()}
    for token in ending.order_by("grace_until").select_related("peer"):
        peer = token.peer
        if peer is None or peer.pk in found or token.grace_until is None:
            continue
        newest = peer.tokens.exclude(state=TokenState.REVOKED).first()
        if newest is not None and newest.state == TokenState.ISSUED:
            unseen = not peer.tokens.filter(seen_at__isnull=False).exists()
            found[peer.pk] = Rotation(peer, token.grace_until, unseen)
    return list(found.values())[:SHOWN]


def _calls_up() -> int:
    """Calls that are up now, however many legs each has."""
    return Channel.objects.values("node", "call_id").distinct().count()


def _ailing() -> list[AilingTrunk]:
    """Trunks that are down or have a dead host, the latest first."""
    states = TrunkState.objects.order_by("-changed_at")
    rows = [row for row in states if row.down or row.faults][:SHOWN]
    names = labels(row.endpoint for row in rows)
    return [AilingTrunk(names[row.endpoint], row) for row in rows]


def _leaks() -> Sequence[TokenLeak]:
    """Tokens that were shut out as leaked, whose phones were given no new one since."""
    return list(TokenLeak.objects.open().select_related("peer")[:SHOWN])


def _alarms(since: datetime) -> Sequence[AlarmRow]:
    """Caps that were reached lately."""
    found = list(TollAlarm.objects.filter(last_at__gte=since)[:SHOWN])
    names = labels(alarm.who for alarm in found)
    return [AlarmRow(alarm, names[alarm.who]) for alarm in found]


def _cut_off() -> Sequence[Peer]:
    """Enabled peers whose old tokens were revoked by hand while the new one was not seen yet."""
    live = Token.objects.filter(peer=OuterRef("pk")).exclude(state=TokenState.REVOKED)
    revoked = Token.objects.filter(peer=OuterRef("pk"), state=TokenState.REVOKED)
    return list(
        Peer.objects.filter(Exists(revoked), Exists(live), enabled=True)
        .exclude(Exists(live.exclude(state=TokenState.ISSUED)))
        .exclude(Exists(live.filter(grace_until__isnull=False)))[:SHOWN]
    )
