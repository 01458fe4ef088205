"""One packet as typed values: what the oracle judges and the agent sends into a scratch kernel.

It crosses the agent's socket, so `from_json` is as strict as that of an intent: never bytes of a
header, only values from which the agent builds the headers itself.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from firewall.ruleset.values import Invalid, redact, whole

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Protocol = Literal["udp", "tcp", "icmp", "other"]
PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp", "icmp", "other")
FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg")  # from the lowest bit up (RFC 9293)
MAX_PAYLOAD = 60_000  # bytes; an IPv4 packet holds 65,535 with its headers
MAX_EXTRA = {4: 36, 6: 240}  # bytes of one IPv4 option, one IPv6 destination option
MAX_PACKETS = 64  # in one request
_HEAD = {4: 20, 6: 40}


@dataclass(frozen=True)
class Packet:
    """A packet that a peer sends to the host; with `way` "out", one that the host sends the peer.

    `source` is always the peer and `destination` the host. For "icmp" (ICMPv6 in family 6)
    `source_port` is the identifier of an echo; `quotes` are the ports (host's, peer's) of the UDP
    datagram that an ICMP error complains of. `extra` travels in an IPv4 option or an IPv6
    destination option of no meaning (type 30, RFC 4727). `fragment`: so many bytes in each IP
    fragment (a multiple of 8; 0: not fragmented); `missing`: one of them never arrives.
    "other" is IP protocol 253 (RFC 3692). Raises `Invalid` naming the field.
    """

    family: Literal[4, 6]
    protocol: Protocol
    source: str
    destination: str
    source_port: int = 0
    destination_port: int = 0
    payload: bytes = field(default=b"", repr=False)
    flags: tuple[str, ...] = ()
    icmp_type: int = 0
    hop_limit: int = 64
    quotes: tuple[int, int] | None = None
    extra: bytes = field(default=b"", repr=False)
    fragment: int = 0
    missing: bool = False
    way: Literal["in", "out"] = "in"

    def __post_init__(self) -> None:
        if type(self.family) is not int or self.family not in {4, 6}:
            raise Invalid("packet.family", "is neither 4 nor 6", "give one of them")
        if self.protocol not in PROTOCOLS:
            raise Invalid("packet.protocol", "is unknown", f"give one of {', '.join(PROTOCOLS)}")
        if self.way not in ("in", "out"):
            raise Invalid("packet.way", "is neither in nor out", "give one of them")
        self._check_address("source")
        self._check_address("destination")
        if self.source == self.destination:
            raise Invalid("packet.source", "is the host itself", "give the address of a peer")
        lowest = 1 if self.protocol in {"udp", "tcp"} else 0
        whole(self.source_port, "packet.source_port", lowest, 65_535)
        whole(self.destination_port, "packet.destination_port", lowest, 65_535)
        whole(self.icmp_type, "packet.icmp_type", 0, 255)
        whole(self.hop_limit, "packet.hop_limit", 1, 255)
        for port in self.quotes or ():
            whole(port, "packet.quotes", 1, 65_535)
        if self.quotes is not None and len(self.quotes) != 2:
            raise Invalid("packet.quotes", "is not a pair", "give the host's and the peer's port")
        self._check_bytes()

    def _check_address(self, name: str) -> None:
        remedy = "give an address of one host as 203.0.113.7 or 2001:db8::7"
        try:
            parsed = ipaddress.ip_address(getattr(self, name))
        except ValueError:
            raise Invalid(f"packet.{name}", "is not an address", remedy) from None
        wrong = (
            parsed.version != self.family or str(parsed) != getattr(self, name),
            parsed.is_loopback or parsed.is_multicast or parsed.is_unspecified,
            parsed.version == 4 and (int(parsed) >> 24 == 0 or int(parsed) == 0xFFFFFFFF),
            parsed.version == 6 and int(parsed) >> 48 == 0,
            "%" in str(parsed),
        )
        if any(wrong):
            raise Invalid(f"packet.{name}", "can not be probed in this family", remedy)

    def _check_bytes(self) -> None:
        for name, limit in (("payload", MAX_PAYLOAD), ("extra", MAX_EXTRA[self.family])):
            value = getattr(self, name)
            if not isinstance(value, bytes) or len(value) > limit:
                raise Invalid(f"packet.{name}", "is not bytes, or too long", f"at most {limit}")
        if len(set(self.flags)) != len(self.flags) or not set(self.flags) <= set(FLAGS):
            raise Invalid("packet.flags", "are unknown", f"give some of {', '.join(FLAGS)}")
        whole(self.fragment, "packet.fragment", 0, 65_528)
        pieces = -(-len(self.payload) // self.fragment) if self.fragment else 1
        if self.fragment % 8 or pieces > 1024:
            raise Invalid("packet.fragment", "is no multiple of 8, or too small", "give 1480")
        if type(self.missing) is not bool:
            raise Invalid("packet.missing", "is neither true nor false", "give one of them")

    @property
    def size(self) -> int:
        """Bytes from the IP header on, as the firewall sees it: after fragments were joined."""
        return _HEAD[self.family] + self.extra_size + self._body

    @property
    def split(self) -> bool:
        """Whether it is sent in more than one fragment."""
        return 0 < self.fragment < self._body + (self.extra_size if self.family == 6 else 0)

    @property
    def headless(self) -> bool:
        """Whether its first IPv6 fragment ends before the header of its protocol does.

        Nobody sends such a thing but to hide; every host drops it (RFC 7112).
        """
        head = {"udp": 8, "tcp": 20, "icmp": 8, "other": 1}[self.protocol]
        return self.family == 6 and self.split and self.fragment < self.extra_size + head

    @property
    def _body(self) -> int:
        return {"udp": 8, "tcp": 20, "icmp": 8, "other": 0}[self.protocol] + len(self.payload)

    @property
    def extra_size(self) -> int:
        """Bytes that `extra` takes with its own header and padding."""
        if not self.extra:
            return 0
        head, unit = (2, 4) if self.family == 4 else (4, 8)
        return -(-(head + len(self.extra)) // unit) * unit

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for `from_json` on the other side of the socket."""
        raw = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("payload", "extra"):
            raw[name] = base64.b64encode(raw[name]).decode()
        return raw | {"flags": list(self.flags), "quotes": list(self.quotes or ()) or None}

    @classmethod
    def from_json(cls, raw: object) -> "Packet":
        """Build a packet from `to_json` values; raises `Invalid` on any other field or type."""
        names = {one.name for one in fields(cls)}
        if not isinstance(raw, Mapping) or set(raw) != names:
            raise Invalid("packet", "has not exactly the fields of a packet", "send every field")
        values: dict[str, Any] = dict(raw)
        for name in ("protocol", "source", "destination", "way", "payload", "extra"):
            if not isinstance(values[name], str):
                raise Invalid(f"packet.{name}", "is not a text", "give a text")
        for name in ("payload", "extra"):
            try:
                values[name] = base64.b64decode(values[name], validate=True)
            except (binascii.Error, ValueError):
                raise Invalid(f"packet.{name}", "is not base64", "encode it") from None
        flags, quotes = values["flags"], values["quotes"]
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            raise Invalid("packet.flags", "is not a list of names", "give names of flags")
        if quotes is not None and not isinstance(quotes, list):
            raise Invalid("packet.quotes", "is not a list", "give two ports or null")
        values |= {"flags": tuple(flags), "quotes": None if quotes is None else tuple(quotes)}
        return cls(**values)

    def __str__(self) -> str:
        arrow = "->" if self.way == "in" else "<-"
        ends = [self.source, self.destination]
        if self.protocol in {"udp", "tcp"}:
            form = "{}:{}" if self.family == 4 else "[{}]:{}"
            ports = (self.source_port, self.destination_port)
            ends = [form.format(*end) for end in zip(ends, ports, strict=True)]
        kind = f" type {self.icmp_type}" if self.protocol == "icmp" else ""
        start = redact(repr(self.payload[:40].decode("ascii", "replace")))
        return f"{self.protocol}{kind} {ends[0]} {arrow} {ends[1]} {len(self.payload)} B {start}"


def packets(raw: object) -> list[Packet]:
    """The packets of a request; raises `Invalid`."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_PACKETS:
        raise Invalid("packets", f"is not a list of 1 to {MAX_PACKETS}", "send fewer at a time")
    return [Packet.from_json(one) for one in raw]
