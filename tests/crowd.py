"""Intents that hold hundreds of generated values, each in a place of its own.

Each value is judged alone, by the type that the agent judges it with. What is taken goes into the
crowd, and into what its rules must mean; that is written down from the values here, not asked of
the intent.
"""

import ipaddress
from collections import Counter
from typing import Any, Literal

from ddiweb.deploy.errors import Refused
from firewall.ruleset.build import build
from firewall.ruleset.diff import set_commands
from firewall.ruleset.matches import Holds, InSet, Source
from firewall.ruleset.parse import parse_rule
from firewall.ruleset.rules import AddressSet, Rule, To, Verdict
from firewall.ruleset.types import Intent, Management
from tests.hostile import Hostile
from tests.meaning import Meaning

MANAGEMENT = Management(("203.0.113.100/32", "2001:db8:113::100/128"), (22,))
NETWORKS = ("vendors", "bans", "exceptions", "management")
MARKS = (1 << 20) - 1
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_SINGLES = {
    "site_prefix": "ddi-kmtest23-", "generation": 1, "sip_port": 5060, "rtp_first": 10_000,
    "rtp_last": 10_100, "tls_port": 5061, "tcp": True, "throttle": True, "open_rtp": False,
}  # fmt: skip
_LISTS = (*NETWORKS, "tokens", "revoked", "services", "management_ports")
_MOST = {"services": 60, "management_ports": 14, "exceptions": 1000, "management": 500}
_ACCEPT = Verdict("ACCEPT")


class Crowd:
    """An intent in the making. `tally`: values taken and refused.

    `wild`: the share of values that hostile pieces are cut into; the others are odd but right.
    """

    def __init__(self, hostile: Hostile, wild: float = 0.7) -> None:
        self._hostile, self._dice, self._wild = hostile, hostile.dice, wild
        self.tally = Counter[str]()
        self.raw: dict[str, Any] = _SINGLES | {name: [] for name in _LISTS}
        # What each value is judged with: the single ones without the lists.
        self._few = _SINGLES | {name: [] for name in _LISTS}
        self._marks: set[int] = set()
        self._held: dict[str, set[Any]] = {name: set() for name in _LISTS}
        for name in _SINGLES:
            self._single(name)

    @property
    def intent(self) -> Intent:
        """The crowd as an intent."""
        return Intent.from_json(self.raw)

    def fill(self, count: int) -> "Crowd":
        """Give it values until `count` were judged."""
        kinds = (*NETWORKS, *NETWORKS, "tokens", "tokens", "tokens", "revoked", "revoked")
        while self.tally.total() < count:
            kind = self._dice.choice((*kinds, "services", "management_ports"))
            if len(self.raw[kind]) >= _MOST.get(kind, 4000):
                kind = "bans"
            getattr(self, f"_{kind}", self._networks)(kind)
        return self

    def meaning(self, version: Literal[4, 6]) -> Meaning:
        """What the rules of a family must mean."""
        raw = self.raw
        nets = {
            name: frozenset(net for net in raw[name] if (":" in net) == (version == 6))
            for name in NETWORKS
        }
        nets["management"] |= {MANAGEMENT.networks[version == 6]}
        services = {(s["protocol"], s["first"], s["last"], s["network"]) for s in raw["services"]}
        return Meaning(
            sip_port=raw["sip_port"],
            rtp=(raw["rtp_first"], raw["rtp_last"]),
            gate=frozenset({raw["sip_port"], raw["tls_port"]} - {0}),
            management_ports=frozenset({*raw["management_ports"], *MANAGEMENT.ports}),
            services=frozenset(s for s in services if not s[3] or (":" in s[3]) == (version == 6)),
            site_prefix=raw["site_prefix"],
            tokens={one["value"]: one["mark"] for one in raw["tokens"]},
            revoked=frozenset(raw["revoked"]),
            throttle=raw["throttle"],
            open_rtp=raw["open_rtp"],
            **nets,
        )

    def _maybe(self, good: Any) -> Any:
        return self._hostile.any(good) if self._dice.random() < self._wild else good

    def _take(self, name: str, value: Any, *beside: str) -> None:
        """Judge one value of a list, with the single ones and the lists `beside` it."""
        try:
            few = Intent.from_json(
                self._few | {one: self.raw[one] for one in beside} | {name: [value]}
            )
            if beside:
                build(few, MANAGEMENT, 4)
        except Refused as error:
            self._refused(error, value)
            return
        self.tally["taken"] += 1
        key = tuple(sorted(value.items())) if isinstance(value, dict) else value
        if key not in self._held[name]:
            self._held[name].add(key)
            self.raw[name].append(value)

    def _refused(self, error: Refused, *values: Any) -> None:
        said = str(error)
        assert said.strip() and "\n" not in said, said
        self.tally["refused"] += 1
        for value in values:
            for one in value.values() if isinstance(value, dict) else (value,):
                if isinstance(one, str):
                    forced(one)

    def _single(self, name: str) -> None:
        value = self._maybe(self._odd(name))
        try:
            build(Intent.from_json(self._few | {name: value}), MANAGEMENT, 4)
        except Refused as error:
            self._refused(error, value)
            return
        self.tally["taken"] += 1
        self.raw[name] = self._few[name] = value

    def _odd(self, name: str) -> Any:
        """A right value that one does not meet every day."""
        dice, good = self._dice, _SINGLES[name]
        if name == "site_prefix":
            return f"ddi-{''.join(dice.choices(_DIGITS, k=8))}-"
        if isinstance(good, bool):
            return dice.random() < 0.5
        if name == "generation":
            return dice.choice((0, 1, (1 << 63) - 1, dice.getrandbits(62)))
        if name == "tls_port":
            return dice.choice((0, 1, 65_535, dice.randrange(1, 65_536)))
        return dice.choice((1, 65_535, dice.randrange(1, 65_536)))

    def _network(self) -> str:
        dice = self._dice
        if dice.random() < 0.5:
            length, bits = dice.choice((8, 9, 31, 32, dice.randint(8, 32))), 32
            base = dice.choice((dice.getrandbits(32), 0xFFFFFFFF, 127 << 24, 224 << 24))
            return str(ipaddress.IPv4Network((base >> bits - length << bits - length, length)))
        length, bits = dice.choice((16, 48, 64, 127, 128, dice.randint(16, 128))), 128
        # Runs of zeros, which each tool shortens in its own way (RFC 5952).
        groups = [dice.choice((0, 0, 1, 0xFFFF, dice.getrandbits(16))) for _ in range(7)]
        base = dice.choice((0x2001, 0x64, 0xFE80, 0xFF02, dice.randrange(1, 1 << 16)))
        for group in groups:
            base = base << 16 | group
        return str(ipaddress.IPv6Network((base >> bits - length << bits - length, length)))

    def _networks(self, kind: str) -> None:
        self._take(kind, self._maybe(self._network()))

    def _mark(self) -> int:
        mark = self._dice.choice((1, MARKS, self._dice.randint(1, MARKS)))
        while mark in self._marks:
            mark = self._dice.randint(1, MARKS)
        return mark

    def _tokens(self, kind: str) -> None:
        # Few different digits make long shared beginnings: a deep tree.
        alphabet = self._dice.choice((_DIGITS, "ab", "a2"))
        digits = "".join(self._dice.choices(alphabet, k=26))
        value = {"mark": self._mark(), "value": self.raw["site_prefix"] + digits}
        if self._dice.random() < self._wild:
            part = self._dice.choice(("mark", "value"))
            value[part] = self._hostile.any(value[part])
        if type(value["mark"]) is int and value["mark"] in self._marks:
            value["mark"] = self._mark()
        before = len(self.raw[kind])
        self._take(kind, value)
        if len(self.raw[kind]) > before:
            self._marks.add(value["mark"])

    def _revoked(self, kind: str) -> None:
        mark = self._maybe(self._mark())
        if type(mark) is int and mark in self._marks:
            mark = self._mark()
        self._take(kind, mark)
        if type(mark) is int:
            self._marks.add(mark)

    def _services(self, kind: str) -> None:
        first = self._dice.randrange(1, 65_536)
        value = {
            "protocol": self._dice.choice(("tcp", "udp")), "first": first,
            "last": min(65_535, first + self._dice.choice((0, 0, 1, 9))),
            "network": self._dice.choice(("", self._network())), "ends": False,
        }  # fmt: skip
        if self._dice.random() < self._wild:
            part = self._dice.choice(list(value))
            value[part] = self._hostile.any(value[part])
        self._take(kind, value, "management_ports")

    def _management_ports(self, kind: str) -> None:
        self._take(kind, self._maybe(self._dice.randrange(1, 65_536)), "services")


def forced(text: str) -> None:
    """Put a refused text where rules are rendered, past the intent: no rule, or one that is it."""
    for make in (Source, Holds, InSet):
        try:
            rule = Rule((make(text),), _ACCEPT)
        except Refused:
            continue
        assert parse_rule(str(rule)) == rule and str(rule).isascii(), rule
    try:
        to = Rule((), To(text))
    except Refused:
        pass
    else:
        assert parse_rule(str(to)) == to, to
    for name, members in ((text, ()), ("ddi-ban4", (text,))):
        try:
            lines = set_commands(AddressSet(name, "hash:net", 4, None, members), None)
        except Refused:
            continue
        words = [line.split(" ") for line in lines]
        assert [one[:2] for one in words] == [["create", "-exist"], ["add", "-exist"]][: len(words)]
        assert len(words) == 1 + len(members) and all(map(str.isprintable, lines)), lines
        assert all(one[2] == name for one in words), lines
        assert not members or (len(words[1]) == 4 and text.startswith(words[1][3])), lines
