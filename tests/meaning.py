"""What a family's rules and sets mean, read from dumps alone: the values, each in its place.

`parse` gives typed rules; nothing of how they were built is asked here. A rule in a place where
no such rule may stand ends the reading with AssertionError.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firewall.ruleset.marks import FLOW_BIT, MARK_MASK
from firewall.ruleset.matches import ConnMark, Holds, InSet, Known, Port, Source, TcpPorts
from firewall.ruleset.parse import Dump, SetDump, parse_rule
from firewall.ruleset.rules import Rule, SetMark, To, Verdict

_ACCEPT, _DROP = Verdict("ACCEPT"), Verdict("DROP")
_WHOLE = 39  # characters of a site prefix and a token's digits

Chains = Mapping[str, list[Rule]]


@dataclass(frozen=True)
class Meaning:
    """One family's values. `services`: protocol, first, last, network."""

    sip_port: int
    rtp: tuple[int, int]
    gate: frozenset[int]  # TCP ports that ask for a token
    management: frozenset[str]
    management_ports: frozenset[int]
    services: frozenset[tuple[str, int, int, str]]
    vendors: frozenset[str]
    exceptions: frozenset[str]
    bans: frozenset[str]
    site_prefix: str
    tokens: Mapping[str, int]
    revoked: frozenset[int]
    throttle: bool
    open_rtp: bool

    def __post_init__(self) -> None:
        marks = {*self.tokens.values(), *self.revoked}
        assert all(1 <= mark < 1 << 20 for mark in marks), "a mark that no connection can have"
        ports = {self.sip_port, *self.rtp, *self.gate, *self.management_ports}
        ports |= {port for _, first, last, _ in self.services for port in (first, last)}
        assert all(1 <= port < 1 << 16 for port in ports), "a port that no datagram can have"


def typed(dump: Dump) -> dict[str, list[Rule]]:
    """Our chains as typed rules; ValueError if one holds what no rule of ours does."""
    return {name: [parse_rule(line) for line in rules] for name, rules in dump.own.items()}


def meaning(dump: Dump, sets: Mapping[str, SetDump]) -> Meaning:
    """The values that a dump of the filter table and of the sets holds."""
    assert dump.chains.get("INPUT", [])[:1] == ["-j DDI-IN"], "no hook"
    chains = typed(dump)
    (entry,) = chains["DDI-IN"]
    assert isinstance(entry.action, To) and not entry.matches
    slot = entry.action.chain.removesuffix("IN")
    own = {name.removeprefix(slot): rules for name, rules in chains.items()}
    told = _input(own["IN"], slot)
    vendors, exceptions, bans = _people(own["SIP"], sets)
    (site,) = [m.text for rule in own["NEW"] for m in rule.matches if isinstance(m, Holds)]
    tokens = dict(_tokens(own, slot, "TOK", site))
    return Meaning(
        **told,
        management=frozenset(_managers(own["MGMT"])),
        vendors=vendors,
        exceptions=exceptions,
        bans=bans,
        site_prefix=site,
        tokens=tokens,
        revoked=frozenset(_revoked(own, slot)),
        throttle="THROTTLE" in own,
        open_rtp=own["RTP"][-1] == Rule((), _ACCEPT),
    )


def _input(rules: list[Rule], slot: str) -> dict[str, Any]:
    """Ports and services: what stands before the rule for established connections."""
    told: dict[str, Any] = {}
    services = set()
    for rule in rules[1 : rules.index(Rule((Known(),), _ACCEPT))]:
        match rule:
            case Rule((Port("udp", first, last),), To(chain, False)) if chain == f"{slot}SIP":
                assert first == last
                told["sip_port"] = first
            case Rule((Port("udp", first, last),), To(chain, False)) if chain == f"{slot}RTP":
                told["rtp"] = (first, last)
            case Rule((TcpPorts(ports),), To(chain, True)) if chain == f"{slot}MGMT":
                told["management_ports"] = frozenset(ports)
            case Rule((TcpPorts(ports),), To(chain, False)) if chain == f"{slot}TCP":
                told["gate"] = frozenset(ports)
            case Rule((Port("tcp", first, last),), To(chain, False)) if chain == f"{slot}TCP":
                assert first == last
                told["gate"] = frozenset({first})
            case Rule((Port(protocol, first, last, None),), Verdict("ACCEPT")):
                services.add((protocol, first, last, ""))
            case Rule((Source(net), Port(protocol, first, last, None)), Verdict("ACCEPT")):
                services.add((protocol, first, last, net))
            case _:
                raise AssertionError(f"a rule that may not stand in IN: {rule}")
    return told | {"services": frozenset(services)}


def _managers(rules: list[Rule]) -> Iterator[str]:
    for rule in rules:
        match rule:
            case Rule((Source(net),), Verdict("ACCEPT")):
                yield net
            case _:
                raise AssertionError(f"a rule that may not stand in MGMT: {rule}")


def _people(rules: list[Rule], sets: Mapping[str, SetDump]) -> list[frozenset[str]]:
    """Members of the sets of vendors, exceptions and bans, as networks with their length."""
    found = {"vendor": frozenset[str](), "exempt": frozenset[str](), "ban": frozenset[str]()}
    for rule in rules:
        match rule:
            case Rule((InSet(name),), Verdict(word)):
                kind = next((one for one in found if name.startswith(f"ddi-{one}")), "")
                if kind:
                    assert word == ("DROP" if kind == "ban" else "ACCEPT"), rule
                    found[kind] = frozenset(map(_network, sets[name].members))
    return list(found.values())


def _network(member: str) -> str:
    """A member as a network: ipset leaves out the full length."""
    return member if "/" in member else f"{member}/{128 if ':' in member else 32}"


def _tokens(own: Chains, slot: str, name: str, stem: str) -> Iterator[tuple[str, int]]:
    """Tokens and their marks, each where a packet that holds it comes by."""
    for rule in own[name][:-1]:
        match rule:
            case Rule((Holds(text),), SetMark(value, mask)):
                assert len(text) == _WHOLE and text.startswith(stem), rule
                assert mask == MARK_MASK and value & FLOW_BIT, rule
                yield text, value ^ FLOW_BIT
            case Rule((Holds(text),), To(chain, True)):
                assert len(text) < _WHOLE and text.startswith(stem) and text != stem, rule
                yield from _tokens(own, slot, chain.removeprefix(slot), text)
            case _:
                raise AssertionError(f"a rule that may not stand in {name}: {rule}")
    last = own[name][-1]
    assert last.action == To(f"{slot}VERDICT"), last


def _revoked(own: Chains, slot: str, name: str = "REV", low: int | None = None) -> Iterator[int]:
    for rule in own[name]:
        match rule:
            case Rule((ConnMark(value, mask, False),), SetMark(0, bit)) if bit == FLOW_BIT:
                assert mask == MARK_MASK and value & FLOW_BIT, rule
                assert low is None or value & 0xF == low, rule
                yield value ^ FLOW_BIT
            case Rule((ConnMark(value, mask, False),), To(chain, True)):
                assert mask == FLOW_BIT | 0xF and low is None, rule
                yield from _revoked(own, slot, chain.removeprefix(slot), value & 0xF)
            case _:
                raise AssertionError(f"a rule that may not stand in {name}: {rule}")
