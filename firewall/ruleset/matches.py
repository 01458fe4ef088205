"""What a rule can ask of a packet, as typed values. See `rules` for what follows from them."""

import re
from dataclasses import dataclass
from typing import Literal

from firewall.ruleset.segments import Eager, Established, Fresh, Laden, Syn, TcpFlag
from firewall.ruleset.values import Invalid

NETWORK = re.compile(r"\A[0-9a-f:.]{2,45}/[0-9]{1,3}\Z")
SET = re.compile(r"\Addi-[a-z]{3,6}[46](-[0-9a-f]{12})?\Z")
_TOKEN_TEXT = re.compile(r"\Addi-[a-z2-7]{8}-[a-z2-7]{0,26}\Z")
_EXPRESSION = re.compile(r"\A[0-9a-fx&>@=,]{1,96}\Z")


def only(pattern: re.Pattern[str], text: object, what: str) -> None:
    """Raise `Invalid` unless `text` may stand in a rule as `what`."""
    if not isinstance(text, str) or not pattern.match(text):
        raise Invalid(what, "can not stand in a rule", "correct the value that it came from")


@dataclass(frozen=True, slots=True)
class Source:
    """Packets from a network (canonical CIDR)."""

    network: str

    def __post_init__(self) -> None:
        only(NETWORK, self.network, "network")

    def __str__(self) -> str:
        return f"-s {self.network}"


@dataclass(frozen=True, slots=True)
class Loopback:
    """Packets that the host sends to itself; `negate`: all others."""

    negate: bool = False

    def __str__(self) -> str:
        return f"{'! ' if self.negate else ''}-i lo"


@dataclass(frozen=True, slots=True)
class Port:
    """Destination port or range of a protocol; `source` narrows the source port too."""

    protocol: Literal["udp", "tcp"]
    first: int
    last: int
    source: int | None = None

    def __str__(self) -> str:
        span = f"{self.first:d}" if self.first == self.last else f"{self.first:d}:{self.last:d}"
        source = "" if self.source is None else f" --sport {self.source:d}"
        return f"-p {self.protocol} -m {self.protocol}{source} --dport {span}"


@dataclass(frozen=True, slots=True)
class TcpPorts:
    """Any of up to 15 TCP destination ports."""

    ports: tuple[int, ...]

    def __str__(self) -> str:
        return f"-p tcp -m multiport --dports {','.join(f'{port:d}' for port in self.ports)}"


@dataclass(frozen=True, slots=True)
class InSet:
    """The source address is in an ipset."""

    name: str

    def __post_init__(self) -> None:
        only(SET, self.name, "set")

    def __str__(self) -> str:
        return f"-m set --match-set {self.name} src"


@dataclass(frozen=True, slots=True)
class ConnMark:
    """The connection mark under a mask. Never matches a packet that has no connection."""

    value: int
    mask: int
    negate: bool = False

    def __str__(self) -> str:
        sign = "! " if self.negate else ""
        return f"-m connmark {sign}--mark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class Known:
    """RELATED or ESTABLISHED; with `reply` only answers to what this host sent first.

    With `original` only packets of the side that began, after this host has answered.
    """

    reply: bool = False
    original: bool = False

    def __str__(self) -> str:
        if self.original:
            return "-m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL"
        if self.reply:
            return "-m conntrack --ctstate ESTABLISHED --ctdir REPLY"
        return "-m conntrack --ctstate RELATED,ESTABLISHED"


@dataclass(frozen=True, slots=True)
class U32:
    """Bytes at computed offsets from the IP header (the u32 match), in iptables-save's spelling."""

    expression: str

    def __post_init__(self) -> None:
        only(_EXPRESSION, self.expression, "u32")

    def __str__(self) -> str:
        return f'-m u32 --u32 "{self.expression}"'


@dataclass(frozen=True, slots=True)
class Holds:
    """The packet holds a string anywhere.

    kmp, not bm: bm looks only within one piece of a packet's memory and misses a string that
    straddles an edge, of an IP fragment or of a network card's buffer; kmp finds it at each
    offset. Measured with 463-byte REGISTERs: a stranger's whole way through the rules costs 3.2 us
    with kmp and 2.1 us with bm on nft, 0.6 and 0 us on legacy, whether there are 10 or 10,000
    tokens; one who knows the site prefix costs 17 to 26 us instead of 5 to 7.
    """

    text: str

    def __post_init__(self) -> None:
        only(_TOKEN_TEXT, self.text, "token")

    def __str__(self) -> str:
        return f'-m string --string "{self.text}" --algo kmp'


@dataclass(frozen=True, slots=True)
class Length:
    """At most so many bytes from the IP header on; `negate`: more than that."""

    most: int
    negate: bool = False

    def __str__(self) -> str:
        return f"-m length {'! ' if self.negate else ''}--length 0:{self.most:d}"


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP (v4) or ICMPv6 type; `on_link`: only with hop limit 255, which no router passes."""

    version: Literal[4, 6]
    type: int
    on_link: bool = False

    def __str__(self) -> str:
        if self.version == 4:
            return f"-p icmp -m icmp --icmp-type {self.type:d}"
        hops = " -m hl --hl-eq 255" if self.on_link else ""
        return f"-p ipv6-icmp -m icmp6 --icmpv6-type {self.type:d}{hops}"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many packets a second, all sources together."""

    per_second: int
    burst: int

    def __str__(self) -> str:
        return f"-m limit --limit {self.per_second:d}/sec --limit-burst {self.burst:d}"


@dataclass(frozen=True, slots=True)
class Throttled:
    """The address was listed 10 times within 15 s (`listing` False); or list it once more.

    A list of each family's own: the kernel keeps the mask of whoever named a list first, and with
    IPv4's mask all of an IPv6 /32 would be one address.
    """

    version: Literal[4, 6]
    listing: bool = False

    def __str__(self) -> str:
        mask = "255.255.255.255" if self.version == 4 else ":".join(["ffff"] * 8)
        what = "--set" if self.listing else "--update --seconds 15 --hitcount 10"
        return f"-m recent {what} --name ddi-late{self.version} --mask {mask} --rsource"


Match = (
    Source
    | Loopback
    | Port
    | TcpPorts
    | InSet
    | ConnMark
    | Known
    | U32
    | Holds
    | Length
    | Icmp
    | Rate
    | Fresh
    | Established
    | Syn
    | TcpFlag
    | Laden
    | Eager
    | Throttled
)
