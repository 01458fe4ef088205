"""What the renderer needs to know of a node, as frozen values checked at the edge.

``snapshot.py`` reads them from the ORM; tests and the lab make them by hand. Each constructor
raises Refused with the field, its fault and the remedy, also for what a form would have refused.
"""

import re
from dataclasses import dataclass, field

from peers.realtime import text
from peers.realtime.callers import CallerFacts, CallerNameFacts
from peers.realtime.hours import ScheduleFacts
from peers.realtime.mailboxes import MailboxFacts
from peers.realtime.outgoing import OutgoingFacts
from peers.realtime.peer_facts import AccountFacts, Connecting, PeerFacts
from peers.realtime.routes import NumberFacts, PersonFacts, StepFacts
from peers.realtime.text import KEY, between, matches, unique
from peers.realtime.trunks import ServerFacts, TrunkFacts

__all__ = [
    "KEY", "AccountFacts", "Connecting", "NodeFacts", "NumberFacts", "PeerFacts", "PersonFacts",
    "ServerFacts", "Snapshot", "StepFacts", "TrunkFacts",
]  # fmt: skip

SLUG = re.compile(r"\A[a-z][a-z0-9-]{0,31}\Z")
REALM = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,62}\Z")


@dataclass(frozen=True)
class NodeFacts:
    """A host that runs Asterisk; ``realm`` is part of every digest hash.

    Ports are UDP ports, but ``tls_port``: the one of its transports for TLS, 0 if it has none.
    ``name_lookup``: milliseconds that a call waits for its caller's name; 0: nobody is asked.
    """

    slug: str
    realm: str
    sip_port: int = 5060
    rtp_first: int = 10000
    rtp_last: int = 20000
    public_ipv4: str = ""
    public_ipv6: str = ""
    tls_port: int = 0
    iax_port: int = 4569
    name_lookup: int = 0

    def __post_init__(self) -> None:
        matches("node.slug", SLUG, self.slug, "use small letters, digits and hyphens")
        matches("node.realm", REALM, self.realm, "use letters, digits, dots and hyphens")
        between("node.sip_port", self.sip_port, 1, 65535)
        between("node.iax_port", self.iax_port, 1, 65535)
        between("node.name_lookup", self.name_lookup, 0, 3000)
        between("node.tls_port", self.tls_port, 0, 65535)
        between("node.rtp_first", self.rtp_first, 1024, 65534)
        between("node.rtp_last", self.rtp_last, self.rtp_first + 1, 65535)
        for name in ("public_ipv4", "public_ipv6"):
            if getattr(self, name):
                text.host(f"node.{name}", getattr(self, name))


@dataclass(frozen=True)
class Snapshot:
    """All facts of one node, read in one transaction."""

    node: NodeFacts
    trunks: tuple[TrunkFacts, ...] = ()
    peers: tuple[PeerFacts, ...] = ()
    numbers: tuple[NumberFacts, ...] = ()
    persons: tuple[PersonFacts, ...] = ()
    schedules: tuple[ScheduleFacts, ...] = ()
    callers: tuple[CallerFacts, ...] = ()
    names: tuple[CallerNameFacts, ...] = ()
    mailboxes: tuple[MailboxFacts, ...] = ()
    outgoing: OutgoingFacts = field(default_factory=OutgoingFacts)

    def __post_init__(self) -> None:
        unique("callers", (f"{one.number}-{one.prefix}" for one in self.callers))
        unique("caller names", (one.number for one in self.names))
        unique("mailboxes", (box.key for box in self.mailboxes))
        unique("schedules", (schedule.key for schedule in self.schedules))
        unique("trunks", (trunk.key for trunk in self.trunks))
        # A step's target is looked up among both.
        targets = [peer.key for peer in self.peers] + [person.key for person in self.persons]
        unique("peers and persons", targets)
        accounts = [one.username for peer in self.peers for one in peer.accounts]
        trunks = [name for trunk in self.trunks for name in trunk.endpoints]
        unique("endpoints", [*trunks, *accounts])
        unique("numbers", (number.id for number in self.numbers))
