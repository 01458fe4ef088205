"""From an intent to the two families' rules. Pure: the same intent gives the same bytes.

The order, and why:

1. loopback.
2. UDP to the SIP port and to the RTP range go to gates of their own that end in DROP, so the
   later "established" rule can not shadow them.
3. The administrator: the agent's own networks first, before anything that is editable could
   decide about TCP. They are rules, not a set, so that no set can lose them.
4. TCP to the SIP port: vendors, else DROP; before "established", so a removed vendor is out.
5. Related and established, ICMP, DHCP, DROP.

Marks are tested positively wherever ACCEPT depends on them: connmark matches nothing, not even
negated, on a packet that conntrack does not know.
"""

import hashlib
from typing import Literal

from firewall.ruleset.rules import (
    U32,
    Action,
    AddressSet,
    Chain,
    ConnMark,
    Family,
    Holds,
    Icmp,
    InSet,
    Known,
    Length,
    Loopback,
    Match,
    Port,
    Rate,
    Remember,
    Rule,
    SetMark,
    Source,
    TcpPorts,
    To,
    Verdict,
)
from firewall.ruleset.tree import token_chains
from firewall.ruleset.types import (
    FLOW_BIT,
    MARK_MASK,
    MAX_MANAGEMENT_PORTS,
    RTP_MARK,
    Intent,
    Invalid,
    Management,
)

ENTRY = "DDI-IN"  # the one chain that INPUT calls
SEEN_SECONDS = 300  # how long an address that showed a token may start RTP
LONGEST = 4096  # bytes of a SIP datagram that is searched for a token
_REVOKED_BRANCH = 32  # more revoked marks than this are found by their low bits
_ACCEPT = Verdict("ACCEPT")
_DROP = Verdict("DROP")
_MARKED = ConnMark(FLOW_BIT, FLOW_BIT)

# The datagram starts with "SIP/": a response. IPv4 steps over the header by its length; IPv6 asks
# for UDP as the first header, or an extension header could move a request behind byte 48.
_RESPONSE = {
    4: U32("0x0>>0x16&0x3c@0x8=0x5349502f"),
    6: U32("0x3&0xff=0x11&&0x30=0x5349502f"),
}


def build(
    intent: Intent, management: Management, version: Literal[4, 6], slot: str = "a"
) -> Family:
    """The rules and sets of one family; raises `Invalid` where intent and agent contradict.

    `slot` names the generation of chains (`DDIa-…`): two can be loaded beside each other.
    """
    if intent.sip_port in management.ports:
        raise Invalid("sip_port", "is a built-in management port", "take another SIP port")
    return _Builder(intent, management, version, slot).family()


class _Builder:
    def __init__(
        self, intent: Intent, management: Management, version: Literal[4, 6], slot: str
    ) -> None:
        self.intent = intent
        self.management = management
        self.version = version
        self.slot = slot
        self.vendors = self._fixed("vendor", intent.vendors)
        self.bans = self._fixed("ban", intent.bans)
        self.seen = AddressSet(f"ddi-seen{version}", "hash:ip", version, SEEN_SECONDS, None)
        self.cut = AddressSet(f"ddi-cut{version}", "hash:ip", version, SEEN_SECONDS, None)

    def family(self) -> Family:
        chains = [
            Chain(ENTRY, (Rule((), self._to("IN")),)),
            self._input(),
            self._chain("MGMT", *self._management_rules()),
            self._chain("TCP", ((self._vendor,), _ACCEPT), ((), _DROP)),
            self._sip(),
            *self._marked(),
            self._new(),
            *token_chains(self.slot, self.intent.site_prefix, self.intent.tokens),
            self._verdict(),
            self._rtp(),
            self._chain("RTPOK", ((), SetMark(RTP_MARK, MARK_MASK)), ((), _ACCEPT)),
        ]
        return Family(self.version, tuple(chains), (self.vendors, self.bans, self.seen, self.cut))

    @property
    def _vendor(self) -> InSet:
        return InSet(self.vendors.name)

    def _input(self) -> Chain:
        intent = self.intent
        ports = tuple(sorted({*self.management.ports, *intent.management_ports}))
        if len(ports) > MAX_MANAGEMENT_PORTS:
            raise Invalid(
                "management_ports",
                f"are {len(ports)} with the built-in ones",
                f"give at most {MAX_MANAGEMENT_PORTS} together",
            )
        return self._chain(
            "IN",
            ((Loopback(),), _ACCEPT),
            ((Port("udp", intent.sip_port, intent.sip_port),), self._to("SIP")),
            ((Port("udp", intent.rtp_first, intent.rtp_last),), self._to("RTP")),
            ((TcpPorts(ports),), self._to("MGMT", back=True)),
            ((Port("tcp", intent.sip_port, intent.sip_port),), self._to("TCP")),
            ((Known(),), _ACCEPT),
            *(self._icmp4() if self.version == 4 else self._icmp6()),
            ((), _DROP),
        )

    def _management_rules(self) -> list[tuple[tuple[Match, ...], Action]]:
        extra = [net for net in self.intent.management if net not in self.management.networks]
        ordered = [*self.management.networks, *extra]
        return [((Source(net),), _ACCEPT) for net in ordered if self._mine(net)]

    def _icmp4(self) -> list[tuple[tuple[Match, ...], Action]]:
        """Echo, and the DHCP answers that a lease lives on; errors come as RELATED."""
        return [
            ((Icmp(4, 8), Rate(100, 200)), _ACCEPT),
            ((Port("udp", 68, 68, source=67),), _ACCEPT),
        ]

    def _icmp6(self) -> list[tuple[tuple[Match, ...], Action]]:
        """RFC 4890, section 4.4: errors, echo; multicast listener and neighbour discovery on link.

        Conntrack does not follow neighbour discovery, so no other rule would let it in.
        """
        rules: list[tuple[tuple[Match, ...], Action]] = []
        rules += [((Icmp(6, kind, on_link=True),), _ACCEPT) for kind in (133, 134, 135, 136)]
        rules += [((Icmp(6, kind),), _ACCEPT) for kind in (1, 2, 3, 4)]
        rules.append(((Icmp(6, 128), Rate(100, 200)), _ACCEPT))
        rules += [((Source("fe80::/10"), Icmp(6, kind)), _ACCEPT) for kind in (130, 131, 132, 143)]
        rules.append(((Source("fe80::/10"), Port("udp", 546, 546, source=547)), _ACCEPT))
        return rules

    def _sip(self) -> Chain:
        return self._chain(
            "SIP",
            ((self._vendor,), _ACCEPT),
            ((InSet(self.bans.name),), _DROP),
            ((_MARKED,), self._to("MARKED")),
            ((Known(reply=True), _RESPONSE[self.version]), _ACCEPT),
            ((), self._to("NEW")),
        )

    def _marked(self) -> list[Chain]:
        """Flows of phones: a revoked one loses its bit and stands as a stranger's packet."""
        marked = self._chain(
            "MARKED",
            ((), self._to("REV", back=True)),
            ((ConnMark(FLOW_BIT, FLOW_BIT, negate=True),), self._to("NEW")),
            ((Length(LONGEST), Holds(self.intent.site_prefix)), self._to("TOK")),
            ((), _ACCEPT),
        )
        marks = self.intent.revoked
        if len(marks) <= _REVOKED_BRANCH:
            return [marked, self._chain("REV", *map(self._unmark, marks))]
        root: list[tuple[tuple[Match, ...], Action]] = []
        leaves: list[Chain] = []
        for low in range(16):
            group = [mark for mark in marks if mark & 0xF == low]
            if group:
                name = f"REV{low:x}"
                root.append(((ConnMark(FLOW_BIT | low, FLOW_BIT | 0xF),), self._to(name, True)))
                leaves.append(self._chain(name, *map(self._unmark, group)))
        return [marked, self._chain("REV", *root), *leaves]

    @staticmethod
    def _unmark(mark: int) -> tuple[tuple[Match, ...], Action]:
        return ((ConnMark(FLOW_BIT | mark, MARK_MASK),), SetMark(0, FLOW_BIT))

    def _new(self) -> Chain:
        return self._chain(
            "NEW",
            ((Length(LONGEST, negate=True),), _DROP),
            ((Holds(self.intent.site_prefix),), self._to("TOK")),
            ((), _DROP),
        )

    def _verdict(self) -> Chain:
        """Only packets that carry a token come here: no other renews the right to send RTP."""
        return self._chain(
            "VERDICT",
            ((_MARKED,), Remember(add=self.seen.name, remove=self.cut.name)),
            ((_MARKED,), _ACCEPT),
            ((), _DROP),
        )

    def _rtp(self) -> Chain:
        """`cut` stands before the marks: the server's own RTP would re-open a revoked call."""
        return self._chain(
            "RTP",
            ((self._vendor,), _ACCEPT),
            ((InSet(self.bans.name),), _DROP),
            ((InSet(self.cut.name),), _DROP),
            ((ConnMark(RTP_MARK, MARK_MASK),), _ACCEPT),
            ((Known(reply=True),), _ACCEPT),
            ((InSet(self.seen.name),), self._to("RTPOK")),
            ((), _DROP),
        )

    def _fixed(self, kind: str, wanted: tuple[str, ...]) -> AddressSet:
        """A set named by its content: a rule can only ever refer to the whole old or new list."""
        members = tuple(net for net in wanted if self._mine(net))
        mark = hashlib.sha256("\n".join(["counters", *members]).encode()).hexdigest()[:12]
        name = f"ddi-{kind}{self.version}-{mark}"
        return AddressSet(name, "hash:net", self.version, None, members)

    def _mine(self, net: str) -> bool:
        return (":" in net) == (self.version == 6)

    def _to(self, name: str, back: bool = False) -> To:
        return To(f"DDI{self.slot}-{name}", back)

    def _chain(self, name: str, *rules: tuple[tuple[Match, ...], Action]) -> Chain:
        return Chain(f"DDI{self.slot}-{name}", tuple(Rule(*rule) for rule in rules))
