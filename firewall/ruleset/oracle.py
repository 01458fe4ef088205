"""Would this packet pass, and why? The policy in plain Python, independent of how rules say it.

Nothing here knows chains, slots, trees or the order in which rules are written; it shares with
the builder only the values that both are given. Each sentence of the policy is one branch:

* Who administers gets in: management networks to management ports over TCP.
* A vendor or an exception needs no token: SIP over UDP, TCP and TLS, and RTP.
* A ban or the jail shuts out SIP and RTP, theirs excepted; it never touches management.
* A phone proves itself by a live token anywhere in a SIP datagram of at most 4096 bytes. From
  then on its flow passes, token or not, until the token is revoked; the packet that finds its
  flow revoked is a stranger's, and so is all that follows.
* New flows come from the chosen countries alone, if there are any. With the throttle, an address
  may show tokens ten times in 15 s to a host that has not answered.
* Over TCP and TLS, where phones have them at all, the first segment with data has to hold the
  token. A SYN without data passes and begins a new flow, whatever was before; a reset passes.
* A peer to whom the host spoke first may answer: with SIP responses on the SIP port, with RTP.
* IAX2, where there is any: a token in a frame that opens a call or a registration proves a flow
  of its own, signalling and audio; vendors and answers have no way in.
* RTP passes from an address that showed a token lately, and then as long as the flow lives,
  unless the address was cut. An open range takes it from everybody else.
* The host's other services are open to all or to their networks.
* Other traffic passes only as an answer to the host's own; and echo, ICMP errors about own flows,
  what IPv6 needs on its link (RFC 4890), DHCP.

What the oracle takes for granted: echo requests and SYNs are within their rates, TCP segments fit
their window, no flow has timed out, what is throttled happens within 15 s.
"""

from collections.abc import Callable

from firewall.ruleset.bystander import Bystander
from firewall.ruleset.contents import Secrets, is_opening, is_response
from firewall.ruleset.memory import (
    Flow,
    Memory,
    Verdict,
    accept,
    drop,
    key_of,
    networks_of,
    under,
    within,
)
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Management

LONGEST = 4096  # bytes of a stranger's SIP datagram or segment, from the IP header on
THROTTLE = 10  # tokens that an address may show within 15 s
# What conntrack takes for a segment of a connection (nf_conntrack_proto_tcp.c).
_VALID = ({"syn"}, {"ack"}, {"rst"}, {"rst", "ack"}, {"fin", "ack"})


class Oracle(Bystander):
    """Judges packets one after the other; `memory` changes as the kernel's would."""

    def __init__(
        self,
        intent: Intent,
        management: Management,
        memory: Memory | None = None,
        at_home: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`at_home`: whether an address is in one of the intent's countries."""
        self.intent = intent
        self._at_home = at_home
        self.memory = memory or Memory()
        self._ports = {*management.ports, *intent.management_ports}
        self._management = networks_of((*management.networks, *intent.management))
        self._vendors = networks_of(intent.vendors)
        self._exceptions = networks_of(intent.exceptions)
        self._bans = networks_of(intent.bans)
        self._secrets = Secrets(intent.site_prefix, intent.tokens)
        self._revoked = set(intent.revoked)

    def judge(self, packet: Packet) -> Verdict:
        """The verdict on a packet that arrives; for one that the host sends, that it is sent."""
        if packet.way == "out":
            return self._send(packet)
        if packet.split and packet.missing:
            return drop("a fragment is missing: the rest is never put together")
        if packet.headless:
            return drop("the first fragment holds no whole header (RFC 7112)")
        verdict = {
            "udp": self._udp,
            "tcp": self._tcp,
            "icmp": self._icmp4 if packet.family == 4 else self._icmp6,
            "other": self._rest,
        }[packet.protocol](packet)
        if verdict.accepted and self._tracked(packet):
            flow = self.memory.flows.setdefault(key_of(packet), Flow(by_host=False))
            # The host answers whatever comes to a gate for TCP, if only with a reset.
            flow.answered |= packet.protocol == "tcp" and self._gated(packet)
        return verdict

    def _gated(self, packet: Packet) -> bool:
        return packet.destination_port in {self.intent.sip_port, self.intent.tls_port}

    def _tracked(self, packet: Packet) -> bool:
        """Whether conntrack keeps what this packet belongs to.

        A segment out of nothing is answered by a reset, and conntrack then forgets both at once.
        """
        if packet.protocol != "tcp" or not self._gated(packet):
            return True
        flags = set(packet.flags) - {"psh", "urg"}
        return flags == {"syn"} or (key_of(packet) in self.memory.flows and flags in _VALID)

    def _send(self, packet: Packet) -> Verdict:
        flow = self.memory.flows.setdefault(key_of(packet), Flow(by_host=True))
        flow.answered = True
        return Verdict(True, ("the host's own packet: not filtered",))

    def _udp(self, packet: Packet) -> Verdict:
        intent = self.intent
        if packet.destination_port == intent.sip_port:
            return under("SIP over UDP", self._sip(packet))
        if packet.destination_port == intent.iax_port:
            return under("IAX2", self._iax(packet))
        if intent.rtp_first <= packet.destination_port <= intent.rtp_last:
            return under("RTP", self._rtp(packet))
        what = "UDP to a port that is not served"
        return self._dhcp(packet) or self._service(packet) or under(what, self._rest(packet))

    def _service(self, packet: Packet) -> Verdict | None:
        for one in self.intent.services:
            nets = networks_of((one.network,)) if one.network else []
            if one.touches(packet.protocol, packet.destination_port, packet.destination_port) and (
                not nets or within(packet, nets)
            ):
                return accept(f"a service on {one.protocol} {one.first}-{one.last}")
        return None

    def _sip(self, packet: Packet) -> Verdict:
        outsider = self._people(packet)
        if outsider:
            return outsider
        flow = self.memory.flows.get(key_of(packet))
        if flow and flow.mark is not None:
            return self._marked(packet, flow)
        return self._answer(packet, flow) if is_response(packet) else self._stranger(packet)

    def _iax(self, packet: Packet) -> Verdict:
        """A token in a NEW or REGREQ proves the flow; a vendor is a stranger here."""
        outsider = self._people(packet, vendors=False)
        if outsider:
            return outsider
        flow = self.memory.flows.get(key_of(packet))
        if flow and flow.mark is not None:
            return self._frame(packet, flow)
        if not is_opening(packet):
            return drop("a frame of IAX2 that opens nothing, outside of proven flows")
        return self._stranger(packet)

    def _frame(self, packet: Packet, flow: Flow) -> Verdict:
        if flow.mark in self._revoked:
            was, flow.mark = flow.mark, None
            return under(f"flow of revoked mark {was}", self._stranger(packet))
        way = f"flow proven by mark {flow.mark}"
        if packet.size > LONGEST or not self._secrets.hinted(packet):
            return accept(way)
        found = self._secrets.mark(packet)
        flow.mark = flow.mark if found is None else found
        return under(way, self._shown(packet, flow, "site prefix found"))

    def _answer(self, packet: Packet, flow: Flow | None) -> Verdict:
        """A SIP response outside of proven flows: a token in it proves nothing."""
        if packet.source in self.memory.cut:
            return drop("a SIP response", "the address belonged to a revoked token")
        if flow and flow.by_host:
            return accept("a SIP response to what the host sent first")
        return drop("a SIP response that nobody asked for")

    def _marked(self, packet: Packet, flow: Flow) -> Verdict:
        if flow.mark not in self._revoked:
            return self._proven(packet, flow)
        was, flow.mark = flow.mark, None
        verdict = drop("a SIP response") if is_response(packet) else self._stranger(packet)
        return under(f"flow of revoked mark {was}", verdict)

    def _proven(self, packet: Packet, flow: Flow) -> Verdict:
        """A flow that showed a live token. A newer token in it takes it over (rotation)."""
        way = f"flow proven by mark {flow.mark}"
        if packet.size <= LONGEST and self._secrets.hinted(packet):
            found = None if is_response(packet) else self._secrets.mark(packet)
            flow.mark = flow.mark if found is None else found
            return under(way, self._shown(packet, flow, "site prefix found"))
        if packet.protocol == "tcp":
            self.memory.seen.add(packet.source)
        return accept(way)

    def _stranger(self, packet: Packet) -> Verdict:
        if packet.size > LONGEST:
            return drop(f"{packet.size} bytes: more than a stranger may send, not searched")
        if not self._secrets.hinted(packet):
            return drop("no token")
        if self.intent.countries and not self._at_home(packet.source):
            return drop("site prefix found", "not from a chosen country")
        mark = self._secrets.mark(packet)
        if mark is None:
            return drop("site prefix found", "no live token")
        flow = self.memory.flows.get(key_of(packet)) or Flow(by_host=False)
        flow.mark = mark
        verdict = self._shown(packet, flow, "site prefix found")
        if verdict.accepted and self._tracked(packet):
            self.memory.flows[key_of(packet)] = flow
        return verdict

    def _shown(self, packet: Packet, flow: Flow, why: str) -> Verdict:
        """A token was shown, by this packet or earlier in its flow."""
        if self.intent.throttle and not flow.by_host and not flow.answered:
            count = self.memory.shown.get(packet.source, 0)
            self.memory.shown[packet.source] = count + 1
            if count >= THROTTLE:
                flow.mark = None
                return drop(why, "throttled: ten tokens within 15 s")
        self.memory.seen.add(packet.source)
        self.memory.cut.discard(packet.source)
        return accept(why, f"token of mark {flow.mark}")

    def _rtp(self, packet: Packet) -> Verdict:
        outsider = self._people(packet)
        if outsider:
            return outsider
        if packet.source in self.memory.cut:
            return drop("the address belonged to a revoked token")
        if self.intent.open_rtp:
            return accept("the range is open to all")
        return self._stream(packet)

    def _stream(self, packet: Packet) -> Verdict:
        flow = self.memory.flows.get(key_of(packet))
        if flow and flow.rtp:
            return accept("a stream that was let in before")
        if flow and flow.by_host:
            return accept("the host sent to it first")
        if packet.source in self.memory.seen:
            flow = self.memory.flows.setdefault(key_of(packet), Flow(by_host=False))
            flow.rtp = True
            return accept("the address showed a token lately")
        return drop("the address showed no token lately")

    def _tcp(self, packet: Packet) -> Verdict:
        port = packet.destination_port
        if port in self._ports:
            found = within(packet, self._management)
            if found:
                return accept("a management port", f"management network {found}")
        if self._gated(packet):
            what = "SIP over TCP" if port == self.intent.sip_port else "SIP over TLS"
            shut = port == self.intent.sip_port and not self.intent.tcp
            outsider = self._people(packet) or (drop("not a vendor") if shut else None)
            return under(what, outsider or self._gate(packet))
        what = "a management port from elsewhere" if port in self._ports else "a closed TCP port"
        return self._service(packet) or under(what, self._rest(packet))

    def _gate(self, packet: Packet) -> Verdict:
        flags, flow = set(packet.flags) - {"psh", "urg"}, self.memory.flows.get(key_of(packet))
        if flags == {"syn"}:
            if packet.payload or (packet.family == 6 and packet.extra):
                return drop("a SYN with data, or behind an extension header")
            self.memory.flows[key_of(packet)] = Flow(by_host=False)
            return accept("a SYN: the handshake can not end without a token")
        if {"rst", "urg"} <= set(packet.flags) or flags not in (_VALID if flow else ({"ack"},)):
            return drop("no segment that could belong to a connection")
        if flow and "rst" in flags:
            return accept("a reset of the peer's own connection")
        if flow and flow.mark is not None:
            return self._marked(packet, flow)
        return self._stranger(packet)

    def _people(self, packet: Packet, vendors: bool = True) -> Verdict | None:
        found = within(packet, self._vendors)
        if found and vendors:
            return accept(f"vendor {found}")
        found = within(packet, self._exceptions)
        if found:
            return accept(f"exception {found}")
        found = within(packet, self._bans)
        if found:
            return drop(f"ban {found}")
        return drop("jailed by the agent") if packet.source in self.memory.jail else None
