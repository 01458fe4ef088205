"""Read back what the kernel holds: `iptables-save -c`, `ipset save`, and single rules.

Own chains are read into the typed rules of `rules`, so that a tool that spells a number in
another way does not look like drift. Foreign chains stay text and are never judged.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from firewall.ruleset.matches import (
    U32,
    ConnMark,
    Holds,
    Icmp,
    InSet,
    Known,
    Length,
    Loopback,
    Match,
    Port,
    Rate,
    Source,
    TcpPorts,
    Throttled,
)
from firewall.ruleset.rules import Action, Add, Remember, Rule, SetMark, To, Verdict
from firewall.ruleset.segments import LADEN, Eager, Established, Fresh, Laden, TcpFlag

OWN_CHAIN = re.compile(r"\ADDI(?:-IN|[ab]-[A-Za-z0-9]{1,22})\Z")
OWN_SET = re.compile(
    r"\Addi-(?:vendor|exempt|ban|jail|land|seen|cut|trial|proof)[46](?:-[0-9a-f]{12})?\Z"
)
_COUNTED = re.compile(r"\A(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)\Z")
_TOKEN_MARK = re.compile(r"--set-xmark 0x4([0-9a-f]{7})/0x7fffffff\Z")
_POLICY = re.compile(r"\A:(\S+) (\S+) \[\d+:\d+\]\Z")


@dataclass
class Dump:
    """The filter table: chains in order, each with its rules' text and packet counters."""

    chains: dict[str, list[str]] = field(default_factory=dict)
    packets: dict[str, list[int]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)  # "-" for a chain of a user

    @property
    def own(self) -> dict[str, list[str]]:
        """The chains that are ours."""
        return {name: rules for name, rules in self.chains.items() if OWN_CHAIN.match(name)}

    @property
    def foreign(self) -> list[str]:
        """Rules that are neither in our chains nor our hook."""
        return [
            f"-A {name} {rule}"
            for name, rules in self.chains.items()
            if not OWN_CHAIN.match(name)
            for rule in rules
            if (name, rule) != ("INPUT", "-j DDI-IN")
        ]


@dataclass(frozen=True)
class SetDump:
    """One ipset as `ipset save` shows it: its header's words, its members and their counters."""

    type: str
    options: Mapping[str, str]
    members: frozenset[str]
    packets: Mapping[str, int] = field(default_factory=dict)
    left: int = 0  # seconds until the last of its members runs out
    count: int | None = None  # of a set whose members were not listed


def parse_save(text: str) -> Dump:
    """The filter table of an iptables-save text (with or without counters); others are skipped."""
    dump = Dump()
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        if table != "filter":
            continue
        policy = _POLICY.match(line)
        if policy:
            dump.policies[policy[1]] = policy[2]
            dump.chains.setdefault(policy[1], [])
            dump.packets.setdefault(policy[1], [])
            continue
        rule = _COUNTED.match(line)
        if rule:
            dump.chains.setdefault(rule[3], []).append(rule[4])
            dump.packets.setdefault(rule[3], []).append(int(rule[1] or 0))
    return dump


def parse_sets(text: str) -> dict[str, SetDump]:
    """The sets that are ours in an `ipset save` text, by name."""
    headers: dict[str, tuple[str, dict[str, str]]] = {}
    members: dict[str, set[str]] = {}
    packets: dict[str, dict[str, int]] = {}
    left: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not OWN_SET.match(words[1]):
            continue
        if words[0] == "create":
            headers[words[1]] = (words[2], dict(zip(words[3::2], words[4::2], strict=False)))
            members[words[1]], packets[words[1]] = set(), {}
        elif words[0] == "add":
            members[words[1]].add(words[2])
            if "packets" in words:
                packets[words[1]][words[2]] = int(words[words.index("packets") + 1])
            if words[3:4] == ["timeout"]:
                left[words[1]] = max(left.get(words[1], 0), int(words[4]))
    return {
        name: SetDump(kind, options, frozenset(members[name]), packets[name], left.get(name, 0))
        for name, (kind, options) in headers.items()
    }


def parse_headers(text: str) -> dict[str, SetDump]:
    """The sets that are ours in an `ipset list -terse` text, by name, with their counts alone."""
    found: dict[str, SetDump] = {}
    for block in text.split("\n\n"):
        words = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        name = words.get("Name", "")
        if OWN_SET.match(name):
            count = int(words.get("Number of entries", "0"))
            found[name] = SetDump(words.get("Type", ""), {}, frozenset(), count=count)
    return found


def token_packets(dumps: Iterable[Dump]) -> dict[str, int]:
    """Packets that carried each token, by its mark in decimal, all dumps together."""
    counted: dict[str, int] = {}
    for dump in dumps:
        for name, rules in dump.own.items():
            for rule, packets in zip(rules, dump.packets[name], strict=True):
                found = _TOKEN_MARK.search(rule)
                if found and "--string" in rule:
                    mark = str(int(found[1], 16))
                    counted[mark] = counted.get(mark, 0) + packets
    return counted


@lru_cache(maxsize=8192)  # a ruleset is read before and after each change
def parse_rule(text: str) -> Rule:
    """A rule's text (without `-A CHAIN`) as the typed rule; raises ValueError if it is not ours."""
    words = shlex.split(text)
    matches: list[Match] = []
    while words:
        if words[0] in {"-j", "-g"}:
            return Rule(tuple(matches), _action(words))
        for shape, make in _SHAPES:
            taken = _fit(shape, words)
            if taken is not None:
                matches.append(make(taken))
                del words[: len(shape.split())]
                break
        else:
            raise ValueError("a match that no rule of ours has")
    raise ValueError("a rule without an action")


def _fit(shape: str, words: list[str]) -> list[str] | None:
    """The words under the shape's `*`, if the words begin like it."""
    pattern = shape.split()
    if len(words) < len(pattern):
        return None
    taken = []
    for want, have in zip(pattern, words, strict=False):
        if want == "*":
            taken.append(have)
        elif want != have:
            return None
    return taken


_VERDICTS = {"ACCEPT": Verdict("ACCEPT"), "DROP": Verdict("DROP"), "RETURN": Verdict("RETURN")}


def _action(words: list[str]) -> Action:
    match words:
        case ["-j", word] if word in _VERDICTS:
            return _VERDICTS[word]
        case ["-j", "SET", "--add-set", add, "src", "--exist"]:
            return Add(add)
        case ["-j", "CONNMARK", "--set-xmark", mark]:
            return SetMark(*_pair(mark))
        case ["-j", "SET", "--add-set", add, "src", "--exist", "--del-set", remove, "src"]:
            return Remember(add, remove)
        case [way, chain] if OWN_CHAIN.match(chain):
            return To(chain, way == "-j")
    raise ValueError("an action that no rule of ours has")


def _pair(text: str) -> tuple[int, int]:
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    return int(first), int(last or first)


def _laden(code: str) -> Laden:
    for version in (4, 6):
        if code == LADEN[version]:
            return Laden(4 if version == 4 else 6)
    raise ValueError("a filter program that is not ours")


def _length(span: str, negate: bool) -> Length:
    low, high = _span(span)
    if low:
        raise ValueError("a length that does not start at 0")
    return Length(high, negate)


def _rate(words: list[str]) -> Rate:
    count, _, unit = words[0].partition("/")
    if unit not in {"s", "sec", "second"}:
        raise ValueError("a rate that is not by the second")
    return Rate(int(count), int(words[1]))


# Longer shapes before their own beginnings.
_SHAPES: Iterable[tuple[str, Callable[[list[str]], Match]]] = (
    ("-s *", lambda w: Source(w[0])),
    ("-i lo", lambda w: Loopback()),
    ("-p udp -m udp --sport * --dport *", lambda w: Port("udp", *_span(w[1]), source=int(w[0]))),
    ("-p udp -m udp --dport *", lambda w: Port("udp", *_span(w[0]))),
    ("-p tcp -m tcp --dport *", lambda w: Port("tcp", *_span(w[0]))),
    ("-p tcp -m multiport --dports *", lambda w: TcpPorts(tuple(map(int, w[0].split(","))))),
    ("-p icmp -m icmp --icmp-type *", lambda w: Icmp(4, int(w[0]))),
    (
        "-p ipv6-icmp -m icmp6 --icmpv6-type * -m hl --hl-eq 255",
        lambda w: Icmp(6, int(w[0]), on_link=True),
    ),
    ("-p ipv6-icmp -m icmp6 --icmpv6-type *", lambda w: Icmp(6, int(w[0]))),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", lambda w: TcpFlag("SYN")),
    ("-p tcp -m tcp --tcp-flags RST RST", lambda w: TcpFlag("RST")),
    ("-m set --match-set * src", lambda w: InSet(w[0])),
    ("-m connmark --mark *", lambda w: ConnMark(*_pair(w[0]))),
    ("-m connmark ! --mark *", lambda w: ConnMark(*_pair(w[0]), negate=True)),
    ("-m conntrack --ctstate ESTABLISHED --ctdir REPLY", lambda w: Known(reply=True)),
    ("-m conntrack --ctstate RELATED,ESTABLISHED", lambda w: Known()),
    ("-m conntrack --ctstate ESTABLISHED", lambda w: Established()),
    ("-m conntrack --ctstate NEW", lambda w: Fresh()),
    ("-m bpf --bytecode *", lambda w: _laden(w[0])),
    *((str(Eager(version)), lambda w, v=version: Eager(v)) for version in (6, 4)),
    *(
        (str(Throttled(version, listing)), lambda w, v=version, on=listing: Throttled(v, on))
        for version in (4, 6)
        for listing in (False, True)
    ),
    ("-m u32 --u32 *", lambda w: U32(w[0])),
    ("-m string --string * --algo kmp", lambda w: Holds(w[0])),
    ("-m length --length *", lambda w: _length(w[0], False)),
    ("-m length ! --length *", lambda w: _length(w[0], True)),
    ("-m limit --limit * --limit-burst *", _rate),
)
