"""Would this packet pass, and why? The policy in plain Python, independent of how rules say it.

Nothing here knows chains, slots, trees or the order in which rules are written; it shares with
the builder only the values that both are given. Each sentence of the policy is one branch:

* Who administers gets in: management networks to management ports over TCP.
* A vendor needs no token: SIP over UDP and TCP, and RTP. No one else has SIP over TCP.
* A ban shuts out SIP and RTP, a vendor's excepted; it never touches management.
* A phone proves itself by a live token anywhere in a SIP datagram of at most 4096 bytes. From
  then on its flow passes, token or not, until the token is revoked; the packet that finds its
  flow revoked is a stranger's, and so is all that follows.
* A peer to whom the host spoke first may answer: with SIP responses on the SIP port, with RTP.
* RTP passes from an address that showed a token lately, and then as long as the flow lives,
  unless the address was cut.
* Other traffic passes only as an answer to the host's own; and echo, ICMP errors about own flows,
  what IPv6 needs on its link (RFC 4890), DHCP.

What the oracle takes for granted: echo requests are within their rate, TCP answers fit their
window, no flow has timed out.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Management

LONGEST = 4096  # bytes of a stranger's SIP datagram, from the IP header on
_LINK_LOCAL = ipaddress.ip_network("fe80::/10")
_ERRORS_V4 = {3, 4, 5, 11, 12}  # unreachable, quench, redirect, time exceeded, parameter (RFC 792)
_ERRORS_V6 = {1, 2, 3, 4}  # unreachable, too big, time exceeded, parameter problem (RFC 4443)
_DISCOVERY = {133, 134, 135, 136}  # router and neighbour solicitation, advertisement (RFC 4861)
_LISTENERS = {130, 131, 132, 143}  # multicast listener discovery (RFC 3810)

Key = tuple[str, str, int, str, int]  # protocol, host, its port, peer, its port
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    """What earlier packets left: flows, addresses that showed a token, addresses that were cut."""

    flows: dict[Key, Flow] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)


class Oracle:
    """Judges packets one after the other; `memory` changes as the kernel's would."""

    def __init__(
        self, intent: Intent, management: Management, memory: Memory | None = None
    ) -> None:
        self.intent = intent
        self.memory = memory or Memory()
        self._ports = {*management.ports, *intent.management_ports}
        self._management = _networks((*management.networks, *intent.management))
        self._vendors = _networks(intent.vendors)
        self._bans = _networks(intent.bans)
        self._tokens = {token.value.encode(): token.mark for token in intent.tokens}
        self._revoked = set(intent.revoked)

    def judge(self, packet: Packet) -> Verdict:
        """The verdict on a packet that arrives; for one that the host sends, that it is sent."""
        if packet.way == "out":
            return self._send(packet)
        if packet.split and packet.missing:
            return _drop("a fragment is missing: the rest is never put together")
        if packet.headless:
            return _drop("the first fragment holds no whole header (RFC 7112)")
        verdict = {
            "udp": self._udp,
            "tcp": self._tcp,
            "icmp": self._icmp4 if packet.family == 4 else self._icmp6,
            "other": self._rest,
        }[packet.protocol](packet)
        if verdict.accepted:
            self.memory.flows.setdefault(_key(packet), Flow(by_host=False))
        return verdict

    def _send(self, packet: Packet) -> Verdict:
        flow = self.memory.flows.setdefault(_key(packet), Flow(by_host=True))
        flow.answered = True
        return Verdict(True, ("the host's own packet: not filtered",))

    def _udp(self, packet: Packet) -> Verdict:
        intent = self.intent
        if packet.destination_port == intent.sip_port:
            return _under("SIP over UDP", self._sip(packet))
        if intent.rtp_first <= packet.destination_port <= intent.rtp_last:
            return _under("RTP", self._rtp(packet))
        ends = (packet.source_port, packet.destination_port)
        if packet.family == 4 and ends == (67, 68):
            return _accept("an answer of DHCP")
        if packet.family == 6 and ends == (547, 546) and _in(packet, [_LINK_LOCAL]):
            return _accept("an answer of DHCPv6 from the link")
        return _under("UDP to a port that is not served", self._rest(packet))

    def _sip(self, packet: Packet) -> Verdict:
        outsider = self._vendor_or_ban(packet)
        if outsider:
            return outsider
        flow = self.memory.flows.get(_key(packet))
        if flow and flow.mark is not None:
            if flow.mark not in self._revoked:
                return self._proven(packet, flow)
            was, flow.mark = flow.mark, None
            verdict = _drop("a SIP response") if _is_response(packet) else self._stranger(packet)
            return _under(f"flow of revoked mark {was}", verdict)
        return self._answer(packet, flow) if _is_response(packet) else self._stranger(packet)

    def _answer(self, packet: Packet, flow: Flow | None) -> Verdict:
        """A SIP response outside of proven flows: a token in it proves nothing."""
        if packet.source in self.memory.cut:
            return _drop("a SIP response", "the address belonged to a revoked token")
        if flow and flow.by_host:
            return _accept("a SIP response to what the host sent first")
        return _drop("a SIP response that nobody asked for")

    def _proven(self, packet: Packet, flow: Flow) -> Verdict:
        """A flow that showed a live token. A newer token in it takes it over (rotation)."""
        way = f"flow proven by mark {flow.mark}"
        if packet.size <= LONGEST and self._has_prefix(packet):
            found = None if _is_response(packet) else self._token(packet)
            flow.mark = flow.mark if found is None else found
            self._remember(packet)
            return _accept(way, f"site prefix found, now mark {flow.mark}")
        return _accept(way)

    def _stranger(self, packet: Packet) -> Verdict:
        if packet.size > LONGEST:
            return _drop(f"{packet.size} bytes: more than a stranger may send, not searched")
        if not self._has_prefix(packet):
            return _drop("no token")
        mark = self._token(packet)
        if mark is None:
            return _drop("site prefix found", "no live token")
        self._remember(packet)
        flow = self.memory.flows.setdefault(_key(packet), Flow(by_host=False))
        flow.mark = mark
        return _accept("site prefix found", f"token of mark {mark}")

    def _remember(self, packet: Packet) -> None:
        self.memory.seen.add(packet.source)
        self.memory.cut.discard(packet.source)

    def _rtp(self, packet: Packet) -> Verdict:
        outsider = self._vendor_or_ban(packet)
        if outsider:
            return outsider
        if packet.source in self.memory.cut:
            return _drop("the address belonged to a revoked token")
        flow = self.memory.flows.get(_key(packet))
        if flow and flow.rtp:
            return _accept("a stream that was let in before")
        if flow and flow.by_host:
            return _accept("the host sent to it first")
        if packet.source in self.memory.seen:
            flow = self.memory.flows.setdefault(_key(packet), Flow(by_host=False))
            flow.rtp = True
            return _accept("the address showed a token lately")
        return _drop("the address showed no token lately")

    def _tcp(self, packet: Packet) -> Verdict:
        port = packet.destination_port
        if port in self._ports:
            found = _in(packet, self._management)
            if found:
                return _accept("a management port", f"management network {found}")
        if port == self.intent.sip_port:
            found = _in(packet, self._vendors)
            if found:
                return _accept("SIP over TCP", f"vendor {found}")
            return _drop("SIP over TCP", "not a vendor")
        what = "a management port from elsewhere" if port in self._ports else "a closed TCP port"
        return _under(what, self._rest(packet))

    def _icmp4(self, packet: Packet) -> Verdict:
        if packet.icmp_type == 8:
            return _accept("ICMP echo request")
        if packet.icmp_type in _ERRORS_V4 and self._quoted(packet):
            return _accept("an ICMP error about a flow of the host")
        return _under(f"ICMP type {packet.icmp_type}", self._reply(packet, 0))

    def _icmp6(self, packet: Packet) -> Verdict:
        kind = packet.icmp_type
        if kind == 128:
            return _accept("ICMPv6 echo request")
        if kind in _ERRORS_V6:
            return _accept("an ICMPv6 error")
        if kind in _DISCOVERY and packet.hop_limit == 255:
            return _accept("neighbour discovery from the link")
        if kind in _LISTENERS and _in(packet, [_LINK_LOCAL]):
            return _accept("multicast listener discovery from the link")
        return _under(f"ICMPv6 type {kind}", self._reply(packet, 129))

    def _reply(self, packet: Packet, kind: int) -> Verdict:
        if packet.icmp_type == kind:
            return self._rest(packet)
        return _drop("not wanted")

    def _quoted(self, packet: Packet) -> bool:
        if packet.quotes is None:
            return False
        host, peer = packet.quotes
        return ("udp", packet.destination, host, packet.source, peer) in self.memory.flows

    def _rest(self, packet: Packet) -> Verdict:
        """Whatever has no rule of its own: answers pass."""
        flow = self.memory.flows.get(_key(packet))
        if flow and (flow.by_host or flow.answered):
            return _accept("belongs to a conversation of the host")
        return _drop("nobody asked for it")

    def _vendor_or_ban(self, packet: Packet) -> Verdict | None:
        found = _in(packet, self._vendors)
        if found:
            return _accept(f"vendor {found}")
        found = _in(packet, self._bans)
        return _drop(f"ban {found}") if found else None

    def _has_prefix(self, packet: Packet) -> bool:
        site = self.intent.site_prefix.encode()
        return site in packet.payload or site in packet.extra

    def _token(self, packet: Packet) -> int | None:
        """The mark of a live token that the packet holds anywhere, in the last one's place."""
        site, found = self.intent.site_prefix.encode(), None
        for text in (packet.extra, packet.payload):
            at = text.find(site)
            while at >= 0:
                found = self._tokens.get(text[at : at + len(site) + 26], found)
                at = text.find(site, at + 1)
        return found


def _is_response(packet: Packet) -> bool:
    """An IPv6 packet with extension headers is never taken for one: they could disguise it."""
    plain = packet.family == 4 or not packet.extra
    return plain and packet.payload.startswith(b"SIP/")


def _key(packet: Packet) -> Key:
    """The conversation; an echo's identifier stands for the ports."""
    mine, yours = packet.destination_port, packet.source_port
    if packet.protocol == "icmp":
        asks = packet.icmp_type in {8, 128}
        # The host's own request and its reply are one conversation, the peer's another.
        mine = int(asks == (packet.way == "out"))
    return (packet.protocol, packet.destination, mine, packet.source, yours)


def _networks(texts: Iterable[str]) -> list[Network]:
    return [ipaddress.ip_network(text) for text in texts]


def _in(packet: Packet, networks: Iterable[Network]) -> Network | None:
    address = ipaddress.ip_address(packet.source)
    return next((net for net in networks if net.version == packet.family and address in net), None)


def _accept(*path: str) -> Verdict:
    return Verdict(True, path)


def _drop(*path: str) -> Verdict:
    return Verdict(False, path)


def _under(what: str, verdict: Verdict) -> Verdict:
    return Verdict(verdict.accepted, (what, *verdict.path))
