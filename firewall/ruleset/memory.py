"""What the oracle remembers from packet to packet, and how it speaks."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from firewall.ruleset.packet import Packet
from firewall.ruleset.values import Network

Key = tuple[str, str, int, str, int]  # protocol, host, its port, peer, its port


@dataclass(frozen=True)
class Verdict:
    """Whether the packet passes, and the reasons in words, the deciding one last."""

    accepted: bool
    path: tuple[str, ...]

    @property
    def word(self) -> str:
        """ "accept" or "drop"."""
        return "accept" if self.accepted else "drop"


@dataclass
class Flow:
    """What the host remembers of a conversation."""

    by_host: bool  # the host spoke first
    answered: bool = False  # the peer spoke first, the host answered
    mark: int | None = None  # the token that proved it
    rtp: bool = False  # RTP that was let in for its address


@dataclass
class Memory:
    """What earlier packets left: flows, addresses that showed a token, addresses that were cut.

    `jail` holds the addresses that the agent shut out; `shown` how often an address showed a
    token in flows that the host had not answered.
    """

    flows: dict[Key, Flow] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    jail: set[str] = field(default_factory=set)
    shown: dict[str, int] = field(default_factory=dict)


def key_of(packet: Packet) -> Key:
    """The conversation; an echo's identifier stands for the ports."""
    mine, yours = packet.destination_port, packet.source_port
    if packet.protocol == "icmp":
        asks = packet.icmp_type in {8, 128}
        # The host's own request and its reply are one conversation, the peer's another.
        mine = int(asks == (packet.way == "out"))
    return (packet.protocol, packet.destination, mine, packet.source, yours)


def accept(*path: str) -> Verdict:
    """It passes, by these reasons."""
    return Verdict(True, path)


def drop(*path: str) -> Verdict:
    """It is dropped, for these reasons."""
    return Verdict(False, path)


def under(what: str, verdict: Verdict) -> Verdict:
    """The same verdict, one reason longer."""
    return Verdict(verdict.accepted, (what, *verdict.path))


def networks_of(texts: Iterable[str]) -> list[Network]:
    """Canonical networks as typed values."""
    return [ipaddress.ip_network(text) for text in texts]


def within(packet: Packet, networks: Iterable[Network]) -> Network | None:
    """The network that the packet comes from, if it is one of these."""
    address = ipaddress.ip_address(packet.source)
    return next((net for net in networks if net.version == packet.family and address in net), None)
