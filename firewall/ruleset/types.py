"""The intent of a node's firewall: frozen values, validated at the edge, never text.

The panel builds an `Intent`, the agent validates the same class again before it renders. Every
value that can reach a rule is a number, a canonical network or a token of a fixed alphabet, so a
newline, a quote or a NUL has no way into `iptables-restore` (threats: it would open the host).
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ddiweb.deploy.errors import Refused

MARK_BITS = 20
FLOW_BIT = 0x40000000  # connmark of a phone's flow; the token's mark is in the low 20 bits
RTP_MARK = 0x20000000  # connmark of RTP whose address proved a token
MARK_MASK = 0x7FFFFFFF
ID_MASK = 0x3FFFFFFF  # a flow that lost its bit still tells whose it was

MAX_TOKENS = 50_000
MAX_REVOKED = 4096
MAX_NETWORKS = 1024
MAX_BANS = 65_536
MAX_MANAGEMENT_PORTS = 15  # one multiport match holds no more (iptables-extensions)
WIDEST = {4: 8, 6: 16}  # prefix lengths

_SITE_PREFIX = re.compile(r"\Addi-[a-z2-7]{8}-\Z")
_DIGITS = re.compile(r"\A[a-z2-7]{26}\Z")
_NETWORK = re.compile(r"\A[0-9a-f:.]{2,45}/[0-9]{1,3}\Z")
_SECRET = re.compile(r"(ddi-[a-z2-7]{8}-[a-z2-7]{4})[a-z2-7]+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Invalid(Refused):
    """A value that no ruleset may carry: which field, what is wrong with it, and the way out."""

    def __init__(self, field: str, fault: str, remedy: str) -> None:
        super().__init__(f"{field}: {fault}; {remedy}")
        self.field = field
        self.fault = fault
        self.remedy = remedy


def redact(text: str) -> str:
    """`text` with each token cut to its site prefix and four characters."""
    return _SECRET.sub("\\1\N{HORIZONTAL ELLIPSIS}", text)


def whole(value: object, field: str, low: int, high: int) -> int:
    """`value` as an integer of low..high; raises `Invalid` (a bool is not an integer here)."""
    if type(value) is not int:
        raise Invalid(field, "is not an integer", f"give a number from {low} to {high}")
    if not low <= value <= high:
        raise Invalid(field, "is out of range", f"give a number from {low} to {high}")
    return value


def network(value: object, field: str) -> Network:
    """`value` as a network; raises `Invalid` unless it is written as ipaddress prints it.

    The kernel's tools read `010.1.1.1` as 8.1.1.1, resolve names and take `x/0` for any
    (threats.md), hence only the canonical form is accepted.
    """
    remedy = "write it as 203.0.113.0/24 or 2001:db8::/32"
    if not isinstance(value, str) or not _NETWORK.match(value):
        raise Invalid(field, "is not a network in canonical form", remedy)
    try:
        parsed = ipaddress.ip_network(value, strict=True)
    except ValueError:
        raise Invalid(field, "is not a network, or has host bits set", remedy) from None
    if str(parsed) != value:
        raise Invalid(field, "is not written in canonical form", f"write {parsed}")
    if parsed.prefixlen < WIDEST[parsed.version]:
        raise Invalid(
            field, "is too wide", f"give /{WIDEST[4]} or longer for IPv4, /{WIDEST[6]} for IPv6"
        )
    if parsed.version == 6 and int(parsed.network_address) >> 48 == 0:
        # ::/80 and below: IPv4-mapped and -compatible forms, which libc prints in another way.
        raise Invalid(field, "is an IPv4 address in IPv6 form", "write it as IPv4")
    return parsed


def networks(values: Sequence[object], field: str, limit: int) -> tuple[str, ...]:
    """`values` checked by `network`, without repetition, in numeric order."""
    _sized(values, field, limit)
    parsed = [network(value, f"{field}[{index}]") for index, value in enumerate(values)]
    if len(set(parsed)) != len(parsed):
        raise Invalid(field, "holds a network twice", "give each network once")
    parsed.sort(key=lambda net: (net.version, int(net.network_address), net.prefixlen))
    return tuple(str(net) for net in parsed)


def ports(values: Sequence[object], field: str) -> tuple[int, ...]:
    """`values` as distinct TCP ports in ascending order; raises `Invalid`."""
    _sized(values, field, MAX_MANAGEMENT_PORTS)
    checked = [whole(value, f"{field}[{index}]", 1, 65_535) for index, value in enumerate(values)]
    if len(set(checked)) != len(checked):
        raise Invalid(field, "holds a port twice", "give each port once")
    return tuple(sorted(checked))


def _sized(values: Sequence[object], field: str, limit: int) -> None:
    if not isinstance(values, tuple | list):
        raise Invalid(field, "is not a list", "give a list")
    if len(values) > limit:
        raise Invalid(field, f"has {len(values)} entries", f"give at most {limit}")


@dataclass(frozen=True, slots=True)
class Token:
    """A live token: `value` is what the phone sends, `mark` what the kernel writes on its flow."""

    mark: int
    value: str

    def __post_init__(self) -> None:
        whole(self.mark, "token.mark", 1, (1 << MARK_BITS) - 1)
        if not isinstance(self.value, str) or not (
            _SITE_PREFIX.match(self.value[:13]) and _DIGITS.match(self.value[13:])
        ):
            raise Invalid(
                "token.value",
                "is not a site prefix and 26 characters of a-z2-7",
                "issue the token anew in the panel",
            )

    @property
    def digits(self) -> str:
        """The 26 characters behind the site prefix."""
        return self.value[13:]


@dataclass(frozen=True)
class Management:
    """Networks and TCP ports by which an administrator gets in: the agent's own, not editable."""

    networks: tuple[str, ...]
    ports: tuple[int, ...]

    def __post_init__(self) -> None:
        _set(self, "networks", networks(self.networks, "management_networks", MAX_NETWORKS))
        _set(self, "ports", ports(self.ports, "management_ports"))
        if not self.networks or not self.ports:
            raise Invalid(
                "management_networks",
                "no built-in management network or port",
                "name at least one of each in the agent's configuration, or nobody could get in",
            )


@dataclass(frozen=True)
class Intent:
    """All that the panel may want of a node's firewall. Order within a list has no meaning.

    `management` are networks beyond the agent's own; `revoked` are marks whose flows are cut in
    the instant the rules change. Raises `Invalid` (a `Refused`) naming field, fault and remedy.
    """

    generation: int
    sip_port: int
    rtp_first: int
    rtp_last: int
    management: tuple[str, ...]
    management_ports: tuple[int, ...]
    vendors: tuple[str, ...]
    bans: tuple[str, ...]
    site_prefix: str
    tokens: tuple[Token, ...]
    revoked: tuple[int, ...]

    def __post_init__(self) -> None:
        whole(self.generation, "generation", 0, (1 << 63) - 1)
        whole(self.sip_port, "sip_port", 1, 65_535)
        whole(self.rtp_first, "rtp_first", 1024, 65_535)
        whole(self.rtp_last, "rtp_last", self.rtp_first, 65_535)
        if self.rtp_first <= self.sip_port <= self.rtp_last:
            raise Invalid("sip_port", "lies in the RTP range", "move one of the two")
        _set(self, "management", networks(self.management, "management", MAX_NETWORKS))
        _set(self, "management_ports", ports(self.management_ports, "management_ports"))
        if self.sip_port in self.management_ports:
            raise Invalid("management_ports", "holds the SIP port", "take another port")
        _set(self, "vendors", networks(self.vendors, "vendors", MAX_NETWORKS))
        _set(self, "bans", networks(self.bans, "bans", MAX_BANS))
        if not isinstance(self.site_prefix, str) or not _SITE_PREFIX.match(self.site_prefix):
            raise Invalid("site_prefix", "is not ddi-, 8 of a-z2-7 and -", "generate a new one")
        self._check_tokens()

    def _check_tokens(self) -> None:
        _sized(self.tokens, "tokens", MAX_TOKENS)
        for index, token in enumerate(self.tokens):
            if type(token) is not Token:
                raise Invalid(f"tokens[{index}]", "is not a token", "give mark and value")
            if not token.value.startswith(self.site_prefix):
                raise Invalid(
                    f"tokens[{index}].value", "lacks the site prefix", "issue the token anew"
                )
        marks = {token.mark for token in self.tokens}
        if len(marks) != len(self.tokens):
            raise Invalid("tokens", "use a mark twice", "give each token its own mark")
        if len({token.value for token in self.tokens}) != len(self.tokens):
            raise Invalid("tokens", "hold a value twice", "issue one of the two anew")
        _sized(self.revoked, "revoked", MAX_REVOKED)
        for index, mark in enumerate(self.revoked):
            whole(mark, f"revoked[{index}]", 1, (1 << MARK_BITS) - 1)
        if len(set(self.revoked)) != len(self.revoked):
            raise Invalid("revoked", "holds a mark twice", "give each mark once")
        if marks & set(self.revoked):
            raise Invalid("revoked", "holds the mark of a live token", "drop one of the two")
        _set(self, "tokens", tuple(sorted(self.tokens, key=lambda token: token.mark)))
        _set(self, "revoked", tuple(sorted(self.revoked)))

    def to_json(self) -> dict[str, Any]:
        """The intent as plain JSON values, for `from_json` on the other side of the socket."""
        raw: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            raw[field.name] = list(value) if isinstance(value, tuple) else value
        raw["tokens"] = [{"mark": token.mark, "value": token.value} for token in self.tokens]
        return raw

    @classmethod
    def from_json(cls, raw: object) -> "Intent":
        """Build an intent from `to_json` values; raises `Invalid` on any other field or type."""
        values = _record(raw, "intent", [field.name for field in fields(cls)])
        listed = ("management", "management_ports", "vendors", "bans", "tokens", "revoked")
        for name in listed:
            _sized(values[name], name, MAX_BANS)
            values[name] = tuple(values[name])
        values["tokens"] = tuple(
            _named(f"tokens[{index}]", lambda item=item, at=index: _token(item, at))  # type: ignore[misc]
            for index, item in enumerate(values["tokens"])
        )
        return cls(**values)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal intents have equal digests."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _token(raw: object, index: int) -> Token:
    return Token(**_record(raw, f"tokens[{index}]", ["mark", "value"]))


def _named(where: str, build: Callable[[], Token]) -> Token:
    try:
        return build()
    except Invalid as error:
        field = error.field.replace("token.", f"{where}.")
        raise Invalid(field, error.fault, error.remedy) from None


def _record(raw: object, where: str, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise Invalid(where, "is not an object", "send an object")
    unknown = sorted(str(name) for name in raw if name not in names)
    if unknown:
        # The name came from outside: its repr holds no control character, its length is cut.
        raise Invalid(where, f"has an unknown field {unknown[0][:40]!r}", "update agent and panel")
    missing = [name for name in names if name not in raw]
    if missing:
        raise Invalid(f"{where}.{missing[0]}", "is missing", "send every field")
    return dict(raw)


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
