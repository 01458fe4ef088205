"""Trunks as facts: a vendor's servers in order, what they want to see, and what they send."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from peers.realtime import text
from peers.realtime.text import between, matches, refuse, row_text

KEY = re.compile(r"\A[a-z0-9_]{1,40}\Z")
VENDOR_USERNAME = re.compile(r"\A[A-Za-z0-9_.+-]{0,64}\Z")
COUNTRY = re.compile(r"\A([1-9][0-9]{0,2})?\Z")
#: Digits in front of a number: a vendor's own prefix.
PREFIX = re.compile(r"\A[0-9*#]{0,12}\Z")
#: What is dialled before a national number. Blank where there is none.
NATIONAL = re.compile(r"\A[0-9]{0,3}\Z")
#: What is dialled before a country code. No E.164 number begins with 0.
INTERNATIONAL = re.compile(r"\A(0[0-9]{1,3})?\Z")
#: Hosts of one trunk, the first one too.
SERVERS_MAX = 8
#: Codecs in Asterisk's own names that the static configuration loads.
CODECS = ("alaw", "ulaw", "g722", "opus", "gsm")

DidHeader = Literal["request", "to"]
Transport = Literal["udp", "tcp", "tls"]
Dtmf = Literal["rfc4733", "info", "inband", "auto"]
#: The header that names the caller; without it, From does.
Caller = Literal["pai", "rpid", "diversion", "from"]
NumberIn = Literal["e164", "national"]
NumberOut = Literal["plus", "digits", "international", "national"]


def endpoint_names(key: str, hosts: int) -> tuple[str, ...]:
    """The endpoints of a trunk with so many hosts. No peer's username holds a capital letter."""
    return (key, *(f"{key}-S{place}" for place in range(2, hosts + 1)))


def codecs(name: str, values: tuple[str, ...]) -> None:
    """Refuse what is no list of known codecs, each once."""
    if not values:
        raise refuse(name, "names no codec", "choose at least one")
    if len(set(values)) != len(values) or not set(values) <= set(CODECS):
        raise refuse(name, "names an unknown or repeated codec", f"choose of {', '.join(CODECS)}")


@dataclass(frozen=True)
class ServerFacts:
    """A host of a vendor. A lower ``priority`` is tried first; equal ones share the calls."""

    host: str
    port: int = 5060
    priority: int = 0

    def __post_init__(self) -> None:
        text.host("trunk.server.host", self.host)
        between("trunk.server.port", self.port, 1, 65535)
        between("trunk.server.priority", self.priority, 0, 9)


@dataclass(frozen=True)
class TrunkFacts:
    """A vendor's SIP service. ``key`` is the name of its endpoint, ``networks`` its only proof.

    ``servers``: where calls go, and where it registers, in any order. ``proxy``: by way of it.
    ``did_header``: where the vendor puts the DDI, in the request URI or in To. ``country`` is the
    country code that turns a national ``020…`` into E.164 digits; empty: numbers come in full.
    ``number_in``: ``e164`` (with +, without, or after ``international``; with a country also a
    national one behind a ``national`` prefix that begins with 0), or ``national``: what is not
    international belongs to the country. ``prefix_in`` and ``prefix_out`` stand before the called
    number. ``caller_in``, ``caller_out``: the header that holds the caller's number.
    ``channels_max`` counts calls of both directions at once, 0 is no limit.
    """

    key: str
    networks: tuple[str, ...]
    servers: tuple[ServerFacts, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    register: bool = False
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    qualify: bool = False
    did_header: DidHeader = "request"
    channels_max: int = 0
    country: str = ""
    transport: Transport = "udp"
    srtp: bool = False
    proxy: ServerFacts | None = None
    from_domain: str = ""
    dtmf: Dtmf = "rfc4733"
    caller_in: Caller = "pai"
    caller_out: Caller = "from"
    number_in: NumberIn = "e164"
    number_out: NumberOut = "plus"
    prefix_in: str = ""
    prefix_out: str = ""
    national: str = "0"
    international: str = "00"

    def __post_init__(self) -> None:
        matches("trunk.key", KEY, self.key, "use [a-z0-9_]")
        for value in self.networks:
            text.network("trunk.networks", value)
        if len(set(self.networks)) != len(self.networks):
            raise refuse("trunk.networks", "name one twice", "remove one")
        matches("trunk.username", VENDOR_USERNAME, self.username, "use letters, digits, . _ + -")
        row_text("trunk.password", self.password)
        if self.register and not (self.servers and self.username and self.password):
            raise refuse(
                "trunk.register", "lacks a host, a username or a password", "give all three"
            )
        if len({(one.host, one.port) for one in self.servers}) != len(self.servers):
            raise refuse("trunk.servers", "name one twice", "remove one")
        if len(self.servers) > SERVERS_MAX:
            raise refuse("trunk.servers", "are too many", f"name at most {SERVERS_MAX}")
        codecs("trunk.codecs", self.codecs)
        between("trunk.channels_max", self.channels_max, 0, 100_000)
        if self.from_domain:
            text.host("trunk.from_domain", self.from_domain)
        if self.srtp and self.transport != "tls":
            raise refuse("trunk.srtp", "would send its keys in clear", "choose TLS")
        self._choices()
        self._numbers()

    def _choices(self) -> None:
        for name, known in (
            ("did_header", DidHeader), ("transport", Transport), ("dtmf", Dtmf),
            ("caller_in", Caller), ("caller_out", Caller), ("number_in", NumberIn),
            ("number_out", NumberOut),
        ):  # fmt: skip
            if getattr(self, name) not in get_args(known):
                remedy = f"choose of {', '.join(get_args(known))}"
                raise refuse(f"trunk.{name}", "is unknown", remedy)

    def _numbers(self) -> None:
        matches("trunk.country", COUNTRY, self.country, "write a country code such as 44")
        for name in ("prefix_in", "prefix_out"):
            matches(f"trunk.{name}", PREFIX, getattr(self, name), "at most 12 of 0-9 * #")
        matches("trunk.national", NATIONAL, self.national, "at most 3 digits, such as 0")
        remedy = "write 2 to 4 digits, 0 first"
        matches("trunk.international", INTERNATIONAL, self.international, remedy)
        if "national" in (self.number_in, self.number_out) and not self.country:
            raise refuse("trunk.country", "is empty", "national numbers need a country code")

    @property
    def ordered(self) -> tuple[ServerFacts, ...]:
        """Servers as they are tried."""
        return tuple(sorted(self.servers, key=lambda one: (one.priority, one.host, one.port)))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints of ``ordered``; calls come in by the first, which is there without any."""
        return endpoint_names(self.key, max(1, len(self.servers)))
