"""The gates: what becomes of SIP over UDP, TCP and TLS, of IAX2, and of RTP.

All ask in one order: vendor, exception, ban, jail, a flow with a live mark, an answer, a token
(length, site prefix, country, tree, throttle), DROP.

The gate for TCP and TLS lets a SYN without data through and then nothing, not even the bare ACK
that ends the handshake, until a segment holds a token: that segment is what ends the handshake,
so Asterisk never gets a connection from a stranger. For TLS the token is the first label of the
server name in the ClientHello. Behind it each flow has a mark, as over UDP.

A SYN first loses the mark of its flow. Conntrack takes a SYN in a conversation that it holds for
established as part of it (it waits how the other side answers); if the host has closed its end
since, it answers as to a new one, and the old mark would let the newcomer in without a token.
"""

import hashlib
from typing import Literal

from firewall.ruleset.marks import FLOW_BIT, MARK_MASK, RTP_MARK
from firewall.ruleset.matches import (
    U32,
    ConnMark,
    Holds,
    InSet,
    Known,
    Length,
    Match,
    Port,
    Throttled,
)
from firewall.ruleset.rules import (
    Action,
    Add,
    AddressSet,
    Block,
    Chain,
    Remember,
    Rule,
    SetMark,
    To,
    Verdict,
)
from firewall.ruleset.segments import Eager, Established, Fresh, Laden, TcpFlag
from firewall.ruleset.types import Intent

SEEN_SECONDS = 300  # how long an address that showed a token may start RTP
JAIL_SECONDS = 3600  # of an address that the agent jails without saying how long
LONGEST = 4096  # bytes of a packet that is searched for a token
_REVOKED_BRANCH = 32  # more revoked marks than this are found by their low bits
_ACCEPT = Verdict("ACCEPT")
_DROP = Verdict("DROP")
_MARKED = ConnMark(FLOW_BIT, FLOW_BIT)

# A full frame (RFC 5456, 8.1.1) of type IAX that asks for a call (NEW) or a registration (REGREQ):
# the only ones in which a client names its user before it was answered.
_OPENING = {
    4: U32("0x0>>0x16&0x3c@0x8&0x80000000=0x80000000&&0x0>>0x16&0x3c@0x10&0xffff=0x601,0x60d"),
    6: U32("0x3&0xff=0x11&&0x30&0x80000000=0x80000000&&0x38&0xffff=0x601,0x60d"),
}

Step = tuple[tuple[Match, ...], Action]

# The datagram starts with "SIP/": a response. IPv4 steps over the header by its length; IPv6 asks
# for UDP as the first header, or an extension header could move a request behind byte 48.
_RESPONSE = {
    4: U32("0x0>>0x16&0x3c@0x8=0x5349502f"),
    6: U32("0x3&0xff=0x11&&0x30=0x5349502f"),
}


def to(slot: str, name: str, back: bool = False) -> To:
    """The way to one of our chains."""
    return To(f"DDI{slot}-{name}", back)


def chain(slot: str, name: str, *steps: Step) -> Chain:
    """One of our chains."""
    return Chain(f"DDI{slot}-{name}", tuple(Rule(*step) for step in steps))


class Gates:
    """The chains of one family that know tokens, and the sets that they ask."""

    def __init__(
        self, intent: Intent, version: Literal[4, 6], slot: str, home: Block | None
    ) -> None:
        self.intent = intent
        self.version = version
        self.slot = slot
        self.vendors = self._fixed("vendor", intent.vendors)
        self.exempt = self._fixed("exempt", intent.exceptions)
        self.bans = self._fixed("ban", intent.bans)
        self.jail = AddressSet(f"ddi-jail{version}", "hash:net", version, JAIL_SECONDS, None)
        self.seen = AddressSet(f"ddi-seen{version}", "hash:ip", version, SEEN_SECONDS, None)
        self.cut = AddressSet(f"ddi-cut{version}", "hash:ip", version, SEEN_SECONDS, None)
        self.home: AddressSet | None = None
        if home is not None:
            name = f"ddi-land{version}-{home.mark}"
            self.home = AddressSet(name, "hash:net", version, None, None, home)

    @property
    def sets(self) -> tuple[AddressSet, ...]:
        """All sets that a rule asks or fills."""
        asked = (self.vendors, self.bans, self.jail, self.seen, self.cut)
        return (
            *asked,
            *((self.exempt,) if self.intent.exceptions else ()),
            *((self.home,) if self.home else ()),
        )

    def before(self) -> list[Chain]:
        """The chains on the way to the token tree."""
        chains = [*self._tcp(), self._sip(), *self._iax(), *self._marked(), self._new()]
        if self.home:
            # Behind the site prefix: a set of some 100,000 networks costs more than a string.
            steps: list[Step] = [((InSet(self.home.name),), self._to("TOK")), ((), _DROP)]
            chains.append(self._chain("HOME", *steps))
        return chains

    def behind(self) -> list[Chain]:
        """The chains behind the tree, and the gate of RTP."""
        return [*self._verdict(), *self._rtp()]

    def _people(self, vendors: bool = True) -> list[Step]:
        """Who needs no token, and who may not come at all."""
        steps: list[Step] = [((InSet(self.vendors.name),), _ACCEPT)] if vendors else []
        if self.intent.exceptions:
            steps.append(((InSet(self.exempt.name),), _ACCEPT))
        return [*steps, *(((InSet(one.name),), _DROP) for one in (self.bans, self.jail))]

    def _sip(self) -> Chain:
        response = _RESPONSE[self.version]
        return self._chain(
            "SIP",
            *self._people(),
            ((_MARKED,), self._to("MARKED")),
            # What the host still asks of a cut phone (qualify) opens no way back.
            ((InSet(self.cut.name), response), _DROP),
            ((Known(reply=True), response), _ACCEPT),
            # A token counts in a request only: in To or in the request's own address the host
            # itself tells it to whoever is there now, and any SIP stack repeats it in its answer.
            ((response,), _DROP),
            ((), self._to("NEW")),
        )

    def _iax(self) -> list[Chain]:
        """IAX2, where the token is the username: signalling and audio of a phone are one flow.

        No answer to what the host sent first is let in: a flow without a mark waits for the
        phone's next REGREQ, at most a minute, and nothing that the host still sends to a revoked
        phone opens a way back.
        """
        if not self.intent.iax_port:
            return []
        gate = self._chain(
            "IAX",
            *self._people(vendors=False),
            ((_MARKED,), self._to("IAXHELD")),
            ((_OPENING[self.version],), self._to("NEW")),
            ((), _DROP),
        )
        return [gate, self._held("IAXHELD")]

    def _tcp(self) -> list[Chain]:
        intent = self.intent
        if not intent.tcp and not intent.tls_port:
            return [self._chain("TCP", *self._people(), ((), _DROP))]
        vendors_only: list[Step] = []
        if not intent.tcp:
            vendors_only.append(((Port("tcp", intent.sip_port, intent.sip_port),), _DROP))
        gate = self._chain(
            "TCP",
            *self._people(),
            *vendors_only,
            ((TcpFlag("SYN"),), self._to("SYN")),
            # A phone that restarted so ends its old connection; no reset brings data.
            ((TcpFlag("RST"), Established()), _ACCEPT),
            ((_MARKED,), self._to("HELD")),
            ((), self._to("NEW")),
        )
        syn = self._chain(
            "SYN",
            ((Laden(self.version),), _DROP),
            ((Eager(self.version),), _DROP),
            # Only the bit: if the token that was seen here is revoked, its number still tells whose
            # address this is.
            ((), SetMark(0, FLOW_BIT)),
            ((), _ACCEPT),
        )
        # In TLS only the first segment shows a token: each later one vouches for its address.
        held = self._held("HELD", ((), Add(self.seen.name)))
        return [gate, syn, held]

    def _held(self, name: str, *steps: Step, datagrams: bool = False) -> Chain:
        """Flows of phones: a revoked one loses its bit and stands as a stranger's packet."""
        lost, held = ConnMark(FLOW_BIT, FLOW_BIT, negate=True), Holds(self.intent.site_prefix)
        unasked: list[Step] = []
        answers: list[Step] = []
        if datagrams:
            response = _RESPONSE[self.version]
            unasked.append(((lost, response), _DROP))
            # The flow's own token goes on to prove the address; no other one takes the flow over.
            answers.append(((Length(LONGEST), response, held), self._to("VERDICT")))
        return self._chain(
            name,
            ((), self._to("REV", back=True)),
            *unasked,
            ((lost,), self._to("NEW")),
            *answers,
            ((Length(LONGEST), held), self._to("TOK")),
            *steps,
            ((), _ACCEPT),
        )

    def _marked(self) -> list[Chain]:
        marked = self._held("MARKED", datagrams=True)
        marks = self.intent.revoked
        if len(marks) <= _REVOKED_BRANCH:
            return [marked, self._chain("REV", *map(self._unmark, marks))]
        root: list[Step] = []
        leaves: list[Chain] = []
        for low in range(16):
            group = [mark for mark in marks if mark & 0xF == low]
            if group:
                name = f"REV{low:x}"
                root.append(((ConnMark(FLOW_BIT | low, FLOW_BIT | 0xF),), self._to(name, True)))
                leaves.append(self._chain(name, *map(self._unmark, group)))
        return [marked, self._chain("REV", *root), *leaves]

    @staticmethod
    def _unmark(mark: int) -> Step:
        return ((ConnMark(FLOW_BIT | mark, MARK_MASK),), SetMark(0, FLOW_BIT))

    def _new(self) -> Chain:
        return self._chain(
            "NEW",
            ((Length(LONGEST, negate=True),), _DROP),
            ((Holds(self.intent.site_prefix),), self._to("HOME" if self.home else "TOK")),
            ((), _DROP),
        )

    def _verdict(self) -> list[Chain]:
        """Only packets that carry a token come here."""
        late: list[Step] = []
        chains: list[Chain] = []
        if self.intent.throttle:
            # NEW: what the host has not answered. A TCP flow was answered before; there the SYNs
            # are counted. Who is late stands as a stranger, or the next packet would pass.
            late.append(((_MARKED, Fresh()), self._to("THROTTLE", back=True)))
            chains = [
                self._chain(
                    "THROTTLE",
                    ((Throttled(self.version),), self._to("LATE")),
                    ((Throttled(self.version, listing=True),), Verdict("RETURN")),
                ),
                self._chain("LATE", ((), SetMark(0, FLOW_BIT)), ((), _DROP)),
            ]
        verdict = self._chain(
            "VERDICT",
            *late,
            ((_MARKED,), Remember(add=self.seen.name, remove=self.cut.name)),
            ((_MARKED,), _ACCEPT),
            ((), _DROP),
        )
        return [verdict, *chains]

    def _rtp(self) -> list[Chain]:
        """`cut` stands before the marks: the server's own RTP would re-open a revoked call."""
        people: list[Step] = [*self._people(), ((InSet(self.cut.name),), _DROP)]
        if self.intent.open_rtp:
            return [self._chain("RTP", *people, ((), _ACCEPT))]
        gate = self._chain(
            "RTP",
            *people,
            ((ConnMark(RTP_MARK, MARK_MASK),), _ACCEPT),
            ((Known(reply=True),), _ACCEPT),
            ((InSet(self.seen.name),), self._to("RTPOK")),
            ((), _DROP),
        )
        return [gate, self._chain("RTPOK", ((), SetMark(RTP_MARK, MARK_MASK)), ((), _ACCEPT))]

    def _fixed(self, kind: str, wanted: tuple[str, ...]) -> AddressSet:
        """A set named by its content: a rule can only ever refer to the whole old or new list."""
        members = tuple(net for net in wanted if (":" in net) == (self.version == 6))
        mark = hashlib.sha256("\n".join(["counters", *members]).encode()).hexdigest()[:12]
        name = f"ddi-{kind}{self.version}-{mark}"
        return AddressSet(name, "hash:net", self.version, None, members)

    def _to(self, name: str, back: bool = False) -> To:
        return to(self.slot, name, back)

    def _chain(self, name: str, *steps: Step) -> Chain:
        return chain(self.slot, name, *steps)
