"""What to type into the phone, an app family each; and what is known of the phone.

Which app can carry the token, and where, was read from the apps or tried with their engines;
an app that is not here has no known place for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from ddiweb.live.models import Contact
from peers.choices import LIVE_TOKEN_STATES, Carrier, TokenState, Transport
from peers.models import Peer, Token
from peers.tls import names


def is_registered() -> Exists:
    """Whether a peer, of a queryset to be annotated, has a contact that has not expired."""
    key = Concat(Value("peer_"), Cast(OuterRef("pk"), CharField()))
    contacts = Contact.objects.filter(node_id=OuterRef("node_id"), endpoint=key)
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return Exists(contacts.filter(alive))


@dataclass(frozen=True)
class Line:
    """One thing to type: where, what, and whether it is a secret."""

    label: str
    value: str
    secret: bool = False


@dataclass(frozen=True)
class Family:
    """One kind of app."""

    key: str
    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Account:
    """What every app needs."""

    server: str
    port: int
    username: str
    password: str
    token: str
    carrier: str = Carrier.USER_AGENT
    transport: str = Transport.UDP

    @property
    def address(self) -> str:
        """``host:port``, with an IPv6 address in brackets."""
        host = f"[{self.server}]" if ":" in self.server else self.server
        return f"{host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Whether signalling and audio are."""
        return self.transport == Transport.TLS

    @property
    def identity(self) -> str:
        """The SIP address of the account."""
        return f"sip:{self.username}@{self.address}"


def account(peer: Peer, token: Token | None, password: str = "") -> Account:
    """The account of ``peer`` with its newest token (empty if it has no live one).

    ``password`` is known only to whoever just made it; empty: the phone has it.
    """
    node, value = peer.node, token.value if token else ""
    server = node.public_ipv4 or node.public_ipv6 or "(the node has no public address yet)"
    port = node.sip_port
    if peer.transport == Transport.IAX:
        port = node.iax_port
    if peer.transport == Transport.TLS and token is not None:
        # The kernel reads the token in the name that the phone asks for (RFC 6066, 3).
        server, port = names.of_token(node, value), node.tls_port
    return Account(
        server=server,
        port=port,
        username=value if peer.carrier == Carrier.USERNAME else peer.username,
        password=password,
        token=value,
        carrier=peer.carrier,
        transport=peer.transport,
    )


def _common(acc: Account) -> tuple[Line, ...]:
    by_name = acc.carrier == Carrier.USERNAME
    return (
        Line("Username: the token" if by_name else "Username", acc.username, secret=by_name),
        Line("Password", acc.password or KEPT, secret=True),
        Line("Domain / server", acc.address),
        Line("Transport", acc.transport.upper()),
        *((Line("Media encryption", "SRTP (SDES), mandatory"),) if acc.encrypted else ()),
    )


@dataclass(frozen=True)
class _App:
    """An app: for each carrier that it has room for, the place and what stands there."""

    key: str
    name: str
    places: Mapping[str, tuple[str, str]]
    notes: tuple[str, ...] = ()


_APPS = (
    _App(
        "linphone-android",
        "Linphone on Android",
        {Carrier.USER_AGENT: ("Settings > Advanced > Device name", "{}")},
        (
            "Linphone sends the device name within its User-Agent.",
            "Choose “Third-party SIP account” at the first start.",
        ),
    ),
    _App(
        "linphone-desktop",
        "Linphone on a computer",
        {
            Carrier.USER_AGENT: ("linphonerc, section [ui]", "device_name={}"),
            Carrier.CONTACT: ("linphonerc, section [proxy_0]", "contact_parameters=x-ddi={}"),
        },
        ("Close Linphone before you edit its configuration file.",),
    ),
    _App(
        "linphone-ios",
        "Linphone on iPhone",
        {Carrier.CONTACT: ("Configuration, section [proxy_0]", "contact_parameters=x-ddi={}")},
        ("It has no field for this: it must be given by a remote configuration file.",),
    ),
    _App("baresip", "baresip on Android", {Carrier.USER_AGENT: ("Settings > User Agent", "{}")}),
    _App(
        "microsip",
        "MicroSIP on Windows",
        {Carrier.USER_AGENT: ("microsip.ini, section [Settings]", "userAgent={}")},
        ("Close MicroSIP before you edit its file.",),
    ),
    _App(
        "other",
        "Another app or a desk phone",
        {
            Carrier.USER_AGENT: ("User-Agent", "{}"),
            Carrier.CONTACT: ("A parameter of the Contact", "x-ddi={}"),
        },
        (
            "Zoiper, Sipnetic, GS Wave and Telephone (Mac) have no such place: choose “SIP "
            "username” as carrier on the page of the peer.",
        ),
    ),
)
#: In place of a password that only the phone knows.
KEPT = "(as it is)"
_IAX = Family(
    "iax2", "Zoiper or another IAX2 app", (),
    (
        "Choose IAX2, not SIP, when you add the account.",
        "Let it register every 60 seconds at the longest: the node forgets it after that.",
        "The username is the token: copy it whole. A rotation gives the phone a new username.",
    ),
)  # fmt: skip
_BY_NAME = "The username is the token: copy it whole. A rotation gives the phone a new username."


def families(acc: Account) -> tuple[Family, ...]:
    """Every app family that can carry the token where this account has it, with what to type."""
    if acc.transport == Transport.IAX:
        return (replace(_IAX, lines=_common(acc)),)
    made = []
    for app in _APPS:
        if acc.carrier == Carrier.USERNAME:
            made.append(Family(app.key, app.name, _common(acc), (_BY_NAME,)))
        elif acc.carrier in app.places:
            label, form = app.places[acc.carrier]
            line = Line(label, form.format(acc.token), secret=True)
            made.append(Family(app.key, app.name, (*_common(acc), line), app.notes))
    return tuple(made)


@dataclass(frozen=True)
class PhoneStatus:
    """What is known of a peer's phone now."""

    contacts: Sequence[Contact]
    tokens: Sequence[Token]

    @property
    def live(self) -> list[Token]:
        """Tokens that are accepted, the newest first."""
        return [token for token in self.tokens if token.state in LIVE_TOKEN_STATES]

    @property
    def newest(self) -> Token | None:
        """The token that the phone should have."""
        return next(iter(self.live), None)

    @property
    def seen_at(self) -> datetime | None:
        """When a phone last showed any of the tokens."""
        return max((token.seen_at for token in self.tokens if token.seen_at), default=None)

    @property
    def ending(self) -> datetime | None:
        """When the first grace ends, if one is running."""
        graces = [token.grace_until for token in self.live if token.grace_until]
        return min(graces, default=None)

    @property
    def unseen_in_grace(self) -> bool:
        """Whether a grace is running and the phone was not seen with its newest token."""
        newest = self.newest
        return bool(self.ending and newest and newest.state == TokenState.ISSUED)


def status(peer: Peer) -> PhoneStatus:
    """Read what is known of a peer's phone."""
    contacts = Contact.objects.filter(node_id=peer.node_id, endpoint=peer.key)
    current = contacts.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
    return PhoneStatus(list(current), list(peer.tokens.all()[:12]))
