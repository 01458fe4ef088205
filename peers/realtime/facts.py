"""What the renderer needs to know of a node, as frozen values checked at the edge.

``snapshot.py`` reads them from the ORM; tests and the lab make them by hand. Each constructor
raises Refused with the field, its fault and the remedy, also for what a form would have refused.
"""

import re
from dataclasses import dataclass, field

from peers.realtime import text
from peers.realtime.callers import CallerFacts
from peers.realtime.hours import ScheduleFacts
from peers.realtime.outgoing import OutgoingFacts
from peers.realtime.routes import NumberFacts, StepFacts
from peers.realtime.text import KEY, between, display_text, matches, refuse, unique
from peers.realtime.trunks import ServerFacts, TrunkFacts
from peers.realtime.trunks import codecs as check_codecs

__all__ = [
    "KEY", "AccountFacts", "NodeFacts", "NumberFacts", "PeerFacts", "ServerFacts", "Snapshot",
    "StepFacts",
    "TrunkFacts",
]  # fmt: skip

SLUG = re.compile(r"\A[a-z][a-z0-9-]{0,31}\Z")
REALM = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,62}\Z")
USERNAME = re.compile(r"\A[A-Za-z0-9_.-]{3,64}\Z")
HA1_MD5 = re.compile(r"\A[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class NodeFacts:
    """A host that runs Asterisk; ``realm`` is part of every digest hash.

    Ports are UDP ports, but ``tls_port``: the one of its transports for TLS, 0 if it has none.
    """

    slug: str
    realm: str
    sip_port: int = 5060
    rtp_first: int = 10000
    rtp_last: int = 20000
    public_ipv4: str = ""
    public_ipv6: str = ""
    tls_port: int = 0

    def __post_init__(self) -> None:
        matches("node.slug", SLUG, self.slug, "use small letters, digits and hyphens")
        matches("node.realm", REALM, self.realm, "use letters, digits, dots and hyphens")
        between("node.sip_port", self.sip_port, 1, 65535)
        between("node.tls_port", self.tls_port, 0, 65535)
        between("node.rtp_first", self.rtp_first, 1024, 65534)
        between("node.rtp_last", self.rtp_last, self.rtp_first + 1, 65535)
        for name in ("public_ipv4", "public_ipv6"):
            if getattr(self, name):
                text.host(f"node.{name}", getattr(self, name))


@dataclass(frozen=True)
class AccountFacts:
    """A name by which an app signs in, and md5(username:realm:password) (RFC 2617, 3.2.2.2)."""

    username: str
    digest_ha1_md5: str = field(repr=False)

    def __post_init__(self) -> None:
        matches("peer.username", USERNAME, self.username, "use 3 to 64 letters, digits, . _ -")
        if self.username.lower() == "anonymous":
            # res_pjsip_endpoint_identifier_anonymous gives this endpoint to unknown callers.
            raise refuse("peer.username", "is Asterisk's own word", "choose another")
        matches("peer.digest_ha1_md5", HA1_MD5, self.digest_ha1_md5, "32 hexadecimal digits")

    def __repr__(self) -> str:
        """Hide the name too: it may be a token."""
        return "AccountFacts(…)"


@dataclass(frozen=True)
class PeerFacts:
    """One SIP app on one device. ``key`` is ours; ``username`` is what the app sends.

    Asterisk finds an endpoint and its aor by the user of From and To, so both are named by
    ``username``. ``digest_ha1_md5`` is md5(username:realm:password) (RFC 2617, 3.2.2.2).
    ``token_accounts``: None, or all the names by which it signs in, in place of ``username``: one
    a live token, where the SIP username carries it.
    ``encrypted``: audio must be SRTP with the keys in the signalling (RFC 4568), which TLS hides.
    """

    key: str
    username: str
    digest_ha1_md5: str = field(repr=False)
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    display_name: str = ""
    enabled: bool = True
    token_accounts: tuple[AccountFacts, ...] | None = None
    encrypted: bool = False

    def __post_init__(self) -> None:
        matches("peer.key", KEY, self.key, "use [a-z0-9_]")
        AccountFacts(self.username, self.digest_ha1_md5)
        check_codecs("peer.codecs", self.codecs)
        display_text("peer.display_name", self.display_name)

    @property
    def accounts(self) -> tuple[AccountFacts, ...]:
        """The names by which it signs in, none while it is disabled."""
        if not self.enabled:
            return ()
        if self.token_accounts is not None:
            return self.token_accounts
        return (AccountFacts(self.username, self.digest_ha1_md5),)


@dataclass(frozen=True)
class Snapshot:
    """All facts of one node, read in one transaction."""

    node: NodeFacts
    trunks: tuple[TrunkFacts, ...] = ()
    peers: tuple[PeerFacts, ...] = ()
    numbers: tuple[NumberFacts, ...] = ()
    schedules: tuple[ScheduleFacts, ...] = ()
    callers: tuple[CallerFacts, ...] = ()
    outgoing: OutgoingFacts = field(default_factory=OutgoingFacts)

    def __post_init__(self) -> None:
        unique("callers", (f"{one.number}-{one.prefix}" for one in self.callers))
        unique("schedules", (schedule.key for schedule in self.schedules))
        unique("trunks", (trunk.key for trunk in self.trunks))
        unique("peers", (peer.key for peer in self.peers))
        accounts = [one.username for peer in self.peers for one in peer.accounts]
        trunks = [name for trunk in self.trunks for name in trunk.endpoints]
        unique("endpoints", [*trunks, *accounts])
        unique("numbers", (number.id for number in self.numbers))
