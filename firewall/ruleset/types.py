"""The intent of a node's firewall: frozen values, validated at the edge, never text.

The panel builds an `Intent`, the agent validates the same class again before it renders. Every
value that can reach a rule is a number, a canonical network or a token of a fixed alphabet, so a
newline, a quote or a NUL has no way into `iptables-restore` (threats: it would open the host).
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal

from firewall.ruleset.marks import MARK_BITS
from firewall.ruleset.values import Invalid, network, networks, ports, record, sized, whole

MAX_TOKENS = 50_000
MAX_REVOKED = 4096
MAX_NETWORKS = 1024
MAX_BANS = 65_536
MAX_SERVICES = 64

_SITE_PREFIX = re.compile(r"\Addi-[a-z2-7]{8}-\Z")
_DIGITS = re.compile(r"\A[a-z2-7]{26}\Z")
_COUNTRY = re.compile(r"\A[A-Z]{2}\Z")


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

    def __hash__(self) -> int:
        # A text keeps its hash, a tuple of fields does not; values are no two tokens' own.
        return hash(self.value)

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


@dataclass(frozen=True, slots=True)
class Service:
    """Another service of the host: a port, or a range of them, open to all or to one network.

    `ends`: its time is set, so nobody counts on it as a way in, and its end needs no trial.
    """

    protocol: Literal["tcp", "udp"]
    first: int
    last: int
    network: str = ""  # canonical CIDR; empty: all, of both families
    ends: bool = False

    def __post_init__(self) -> None:
        if type(self.ends) is not bool:
            raise Invalid("service.ends", "is neither true nor false", "give one of them")
        if self.protocol not in ("tcp", "udp"):  # a tuple: a set would hash what came
            raise Invalid("service.protocol", "is neither tcp nor udp", "give one of them")
        whole(self.first, "service.first", 1, 65_535)
        whole(self.last, "service.last", self.first, 65_535)
        if self.network != "":
            network(self.network, "service.network")

    def touches(self, protocol: str, first: int, last: int) -> bool:
        """Whether it opens one of these ports."""
        return self.protocol == protocol and self.first <= last and first <= self.last


@dataclass(frozen=True)
class Intent:
    """All that the panel may want of a node's firewall. Order within a list has no meaning.

    `management` are networks beyond the agent's own; `revoked` are marks whose flows are cut in
    the instant the rules change. Raises `Invalid` (a `Refused`) naming field, fault and remedy.

    What has a default is an option. `tls_port`: SIP over TLS (0: none). `iax_port`: IAX2 over UDP
    (0: none). `tcp`: phones may use SIP over TCP on `sip_port`. `throttle`: 10 requests in 15 s an
    address, after the token. `open_rtp`: the RTP range is open to all. `countries`: only from these
    (ISO 3166-1 alpha-2).
    `exceptions`: networks that may send SIP and RTP without a token.
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
    tls_port: int = 0
    tcp: bool = False
    throttle: bool = False
    open_rtp: bool = False
    countries: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    exceptions: tuple[str, ...] = ()
    iax_port: int = 0

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
        self._check_options()
        self._check_services()

    def _check_tokens(self) -> None:
        sized(self.tokens, "tokens", MAX_TOKENS)
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
        sized(self.revoked, "revoked", MAX_REVOKED)
        for index, mark in enumerate(self.revoked):
            whole(mark, f"revoked[{index}]", 1, (1 << MARK_BITS) - 1)
        if len(set(self.revoked)) != len(self.revoked):
            raise Invalid("revoked", "holds a mark twice", "give each mark once")
        if marks & set(self.revoked):
            raise Invalid("revoked", "holds the mark of a live token", "drop one of the two")
        _set(self, "tokens", tuple(sorted(self.tokens, key=attrgetter("mark"))))
        _set(self, "revoked", tuple(sorted(self.revoked)))

    def _check_options(self) -> None:
        whole(self.tls_port, "tls_port", 0, 65_535)
        if self.tls_port and self.tls_port in {self.sip_port, *self.management_ports}:
            raise Invalid("tls_port", "is the SIP port or a management port", "take another port")
        whole(self.iax_port, "iax_port", 0, 65_535)
        if self.iax_port == self.sip_port or self.rtp_first <= self.iax_port <= self.rtp_last:
            raise Invalid("iax_port", "is the SIP port or an RTP port", "take another port")
        for name in ("tcp", "throttle", "open_rtp"):
            if type(getattr(self, name)) is not bool:
                raise Invalid(name, "is neither true nor false", "give one of them")
        sized(self.countries, "countries", 26 * 26)
        for index, code in enumerate(self.countries):
            if not isinstance(code, str) or not _COUNTRY.match(code):
                raise Invalid(f"countries[{index}]", "is no code of a country", "write it as GB")
        if len(set(self.countries)) != len(self.countries):
            raise Invalid("countries", "name a country twice", "give each country once")
        _set(self, "countries", tuple(sorted(self.countries)))
        _set(self, "exceptions", networks(self.exceptions, "exceptions", MAX_NETWORKS))

    def _check_services(self) -> None:
        sized(self.services, "services", MAX_SERVICES)
        taken = [("udp", self.sip_port, self.sip_port), ("tcp", self.sip_port, self.sip_port)]
        taken += [("udp", self.rtp_first, self.rtp_last), ("tcp", self.tls_port, self.tls_port)]
        taken += [("tcp", port, port) for port in self.management_ports]
        taken.append(("udp", self.iax_port, self.iax_port))
        for index, service in enumerate(self.services):
            where = f"services[{index}]"
            if type(service) is not Service:
                raise Invalid(where, "is not a service", "give protocol, first, last and network")
            if any(service.touches(*port) for port in taken):
                raise Invalid(
                    where, "opens a SIP, IAX2, RTP or management port", "take other ports"
                )
        if len(set(self.services)) != len(self.services):
            raise Invalid("services", "hold one twice", "give each service once")
        _set(self, "services", tuple(sorted(self.services, key=dataclasses.astuple)))

    def to_json(self) -> dict[str, Any]:
        """The intent as plain JSON values, for `from_json` on the other side of the socket."""
        raw: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            raw[field.name] = list(value) if isinstance(value, tuple) else value
        raw["tokens"] = [{"mark": token.mark, "value": token.value} for token in self.tokens]
        raw["services"] = [dataclasses.asdict(service) for service in self.services]
        return raw

    @classmethod
    def from_json(cls, raw: object) -> "Intent":
        """Build an intent from `to_json` values; raises `Invalid` on any other field or type.

        An option that is not named is off: older panels and older state files do not know it.
        """
        required = [one.name for one in fields(cls) if one.default is dataclasses.MISSING]
        options = [one.name for one in fields(cls) if one.name not in required]
        values = record(raw, "intent", required, options)
        for name in _LISTED & values.keys():
            sized(values[name], name, MAX_BANS)
            values[name] = tuple(values[name])
        for name, build in (("tokens", _token), ("services", _service)):
            values[name] = tuple(
                _named(f"{name}[{index}]", lambda item=item, make=build: make(item))  # type: ignore[misc]
                for index, item in enumerate(values.get(name, ()))
            )
        return cls(**values)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal intents have equal digests."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


_LISTED = {"management", "management_ports", "vendors", "bans", "tokens", "revoked"}
_LISTED |= {"countries", "services", "exceptions"}


def _token(raw: object) -> Token:
    return Token(**record(raw, "token", ["mark", "value"]))


def _service(raw: object) -> Service:
    return Service(**record(raw, "service", ["protocol", "first", "last", "network"], ["ends"]))


def _named(where: str, build: Callable[[], Any]) -> Any:
    """What `build` makes; its complaint names the place in the list."""
    try:
        return build()
    except Invalid as error:
        _, _, field = error.field.partition(".")
        raise Invalid(f"{where}.{field}" if field else where, error.fault, error.remedy) from None


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
