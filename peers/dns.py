"""Look a vendor's name up: the only place that speaks DNS. No Django, no database.

It never raises for what DNS answers or fails to answer: an ``Answer`` carries the problem in
ddiweb's own words, so that nothing a stranger's zone says reaches a screen or a log unchecked.
"""

import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdatatype import RdataType

from peers.vendor_names import MOST_ADDRESSES

#: Seconds for one question with its repetitions, and for all that one name needs.
QUESTION = 4.0
NAME = 8.0
#: Servers of one SRV record that are looked at (RFC 2782 sets no limit, a hostile zone neither).
MOST_TARGETS = 16
SERVICE = "_sip._udp"
#: What fits into a packet everywhere (DNS flag day 2020); longer answers come over TCP.
PAYLOAD = 1232
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


@dataclass(frozen=True)
class Found:
    """An address, and the server and port that an SRV record named for it."""

    address: str
    via: str = ""


@dataclass(frozen=True)
class Answer:
    """Where a name leads. ``ttl`` is in seconds; a ``problem`` may stand beside addresses."""

    found: tuple[Found, ...] = ()
    ttl: int = 0
    problem: str = ""


@dataclass
class _Lookup:
    resolver: dns.resolver.Resolver
    deadline: float
    found: dict[str, list[str]] = field(default_factory=dict)
    ttls: list[int] = field(default_factory=list)
    problem: str = ""

    def fault(self, text: str) -> None:
        """Keep the first problem: the later ones mostly follow from it."""
        self.problem = self.problem or text

    def ask(self, name: str, kind: RdataType) -> list[object]:
        """The records of one kind; none if there are none, or with a problem noted."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.fault(f"{name}: the name servers took too long")
            return []
        try:
            absolute = dns.name.from_text(name, dns.name.root)
            answer = self.resolver.resolve(
                absolute, kind, lifetime=min(QUESTION, left), raise_on_no_answer=False, search=False
            )
        except dns.exception.DNSException as error:
            self.fault(f"{name}: {_meaning(error)}")
            return []
        except (OSError, ValueError) as error:
            self.fault(f"{name}: the name server can't be reached ({type(error).__name__})")
            return []
        if answer.rrset is None:
            return []
        self.ttls.append(answer.chaining_result.minimum_ttl)
        return list(answer.rrset)

    def addresses(self, name: str, via: str = "") -> bool:
        """Note the addresses of ``name``; False if there are none."""
        records = self.ask(name, RdataType.A) + self.ask(name, RdataType.AAAA)
        for record in records:
            text = str(ipaddress.ip_address(getattr(record, "address", "")))
            ways = self.found.setdefault(text, [])
            if via and via not in ways:
                ways.append(via)
        return bool(records)

    def servers(self, domain: str) -> None:
        """Note the addresses of the servers that the SRV record of ``domain`` names."""
        records = self.ask(f"{SERVICE}.{domain}", RdataType.SRV)
        ways: dict[str, list[str]] = {}
        for record in sorted(records, key=_order):
            target = str(getattr(record, "target", "")).removesuffix(".").lower()
            if not target:
                self.fault(f"{domain}: says that it has no SIP service over UDP")
            elif len(target) > 253 or not set(target) <= _LETTERS:
                self.fault(f"{domain}: names a server with odd characters")
            else:
                ways.setdefault(target, []).append(f"{target}:{getattr(record, 'port', 0)}")
        if len(ways) > MOST_TARGETS:
            self.fault(f"{domain}: names {len(ways)} servers; {MOST_TARGETS} are looked at")
        for target in list(ways)[:MOST_TARGETS]:
            if not self.addresses(target, ", ".join(ways[target])):
                self.fault(f"{target}: has no address")

    def result(self, name: str) -> Answer:
        """What is known now."""
        if len(self.found) > MOST_ADDRESSES:
            many = f"{name}: {len(self.found)} addresses; at most {MOST_ADDRESSES} are taken"
            return Answer(problem=many)
        if not self.found:
            return Answer(problem=self.problem or f"{name}: there is no such record")
        found = tuple(
            Found(address, ", ".join(ways)[:260]) for address, ways in sorted(self.found.items())
        )
        return Answer(found, min(self.ttls, default=0), self.problem)


def _order(record: object) -> tuple[int, int, str]:
    priority, weight = getattr(record, "priority", 0), getattr(record, "weight", 0)
    return priority, -weight, str(getattr(record, "target", ""))


def _meaning(error: dns.exception.DNSException) -> str:
    if isinstance(error, dns.resolver.NXDOMAIN):
        return "there is no such name"
    if isinstance(error, dns.exception.Timeout):
        return "the name servers did not answer in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the name servers could not answer"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "this machine has no name servers; set DDIWEB_DNS_SERVERS"
    return f"the answer can't be used ({type(error).__name__})"


def _resolver(servers: Sequence[str]) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=not servers)
    if servers:
        made.nameservers = [_server(one) for one in servers]
    made.timeout = 2.0
    made.search = []
    made.use_edns(0, 0, PAYLOAD)
    return made


def _server(text: str) -> dns.nameserver.Nameserver:
    """``192.0.2.53``, ``192.0.2.53:5353``, ``2001:db8::53`` or ``[2001:db8::53]:5353``."""
    host, port = text, 53
    if text.startswith("[") or text.count(":") == 1:
        host, _, tail = text.rpartition(":")
        host, port = host.strip("[]"), int(tail)
    return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(host)), port)


def look_up(name: str, *, srv: bool = False, servers: Sequence[str] = ()) -> Answer:
    """Look ``name`` up within NAME seconds.

    ``servers``: the name servers, as ``_server`` reads them; without any, those of the system.
    With ``srv`` the servers of its ``_sip._udp`` record (RFC 3263, 4.2) are looked up; without,
    its A and AAAA records. Safe in a thread.
    """
    try:
        lookup = _Lookup(_resolver(servers), time.monotonic() + NAME)
    except dns.exception.DNSException as error:
        return Answer(problem=f"{name}: {_meaning(error)}")
    except ValueError:
        return Answer(problem="DDIWEB_DNS_SERVERS names no address; write one such as 192.0.2.53")
    if srv:
        lookup.servers(name)
    else:
        lookup.addresses(name)
    return lookup.result(name)
