"""What to type into the phone, an app family each; and what is known of the phone.

Which app can carry the token, and where, was read from the apps or tried with their engines;
an app that is not here has no known place for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from ddiweb.live.models import Contact
from peers.choices import LIVE_TOKEN_STATES, TokenState
from peers.models import Peer, Token


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

    @property
    def address(self) -> str:
        """``host:port``, with an IPv6 address in brackets."""
        host = f"[{self.server}]" if ":" in self.server else self.server
        return f"{host}:{self.port}"

    @property
    def identity(self) -> str:
        """The SIP address of the account."""
        return f"sip:{self.username}@{self.address}"


def account(peer: Peer, token: Token | None) -> Account:
    """The account of ``peer`` with its newest token (empty if it has no live one)."""
    node = peer.node
    return Account(
        server=node.public_ipv4 or node.public_ipv6 or "(the node has no public address yet)",
        port=node.sip_port,
        username=peer.username,
        password=peer.password,
        token=token.value if token else "",
    )


def _common(acc: Account) -> tuple[Line, ...]:
    return (
        Line("Username", acc.username),
        Line("Password", acc.password, secret=True),
        Line("Domain / server", acc.address),
        Line("Transport", "UDP"),
    )


def families(acc: Account) -> tuple[Family, ...]:
    """Every app family that can carry the token, with what to type."""
    common = _common(acc)
    linphone_note = "Linphone sends the device name within its User-Agent."
    return (
        Family(
            "linphone-android",
            "Linphone on Android",
            (*common, Line("Settings > Advanced > Device name", acc.token, secret=True)),
            (linphone_note, "Choose “Third-party SIP account” at the first start."),
        ),
        Family(
            "linphone-desktop",
            "Linphone on a computer",
            (*common, Line("linphonerc, section [ui]", f"device_name={acc.token}", secret=True)),
            (linphone_note, "Close Linphone before you edit its configuration file."),
        ),
        Family(
            "linphone-ios",
            "Linphone on iPhone",
            (
                *common,
                Line(
                    "Configuration, section [proxy_0]",
                    f"contact_parameters=x-ddi={acc.token}",
                    secret=True,
                ),
            ),
            ("It has no field for this: it must be given by a remote configuration file.",),
        ),
        Family(
            "baresip",
            "baresip on Android",
            (*common, Line("Settings > User Agent", acc.token, secret=True)),
        ),
        Family(
            "microsip",
            "MicroSIP on Windows",
            (*common, Line("microsip.ini, section [Settings]", f"userAgent={acc.token}", True)),
            ("Close MicroSIP before you edit its file.",),
        ),
        Family(
            "other",
            "Another app or a desk phone",
            (*common, Line("User-Agent, or a Contact parameter", acc.token, secret=True)),
            (
                "Any app will do that lets you set the User-Agent or a parameter of the Contact.",
                "No such place was found in Zoiper, Sipnetic, GS Wave and Telephone (Mac).",
            ),
        ),
    )


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
