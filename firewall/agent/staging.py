"""Before rules come into force: load them on a scratch kernel, send what must and must not pass.

Tokens, revoked marks and bans are left out of it: they only change entries of a structure that was
staged before, and phones must not wait for it. Where no namespace can be had, the oracle judges
alone and `reason` says so.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

from ddiweb.deploy.errors import Refused
from firewall.agent.config import Config
from firewall.agent.probe import ask_kernel
from firewall.ruleset.memory import Memory
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import MAX_PACKETS, Packet
from firewall.ruleset.types import Intent, Management

_SAMPLE = 16  # tokens, and revoked marks, that are staged: the same chains, but fewer leaves
_HOST: dict[Literal[4, 6], str] = {4: "198.18.0.1", 6: "2001:2::1"}  # RFC 2544, RFC 5180
#: Whom nobody should know (RFC 5737, RFC 3849).
_STRANGERS: dict[Literal[4, 6], tuple[str, ...]] = {
    4: ("192.0.2.77", "198.51.100.77", "203.0.113.77"),
    6: ("2001:db8:ffff::77", "2001:db8:eeee::77"),
}
_MOST = {"management": 30, "vendor": 16}

Kernel = Callable[[Config, Intent, list[Packet]], list[str]]


@dataclass(frozen=True)
class Probe:
    """A packet, what must become of it, and how a person calls it."""

    name: str
    packet: Packet
    want: str


class Stager:
    """Tries an intent where it harms nobody."""

    def __init__(self, config: Config, kernel: Kernel = ask_kernel) -> None:
        self._config = config
        self._kernel = kernel
        self.reason = ""  # why the last one was judged by the oracle alone

    def check(self, before: Intent | None, wanted: Intent, requested_from: str | None) -> None:
        """Raise `Refused`, naming the probe, if one is answered wrongly. Changes nothing."""
        if before is not None and _same_but_tokens(before, wanted):
            return
        sample = replace(wanted, tokens=wanted.tokens[-_SAMPLE:], revoked=wanted.revoked[-_SAMPLE:])
        tried = list(probes(sample, self._config.management))[:MAX_PACKETS]
        if requested_from:
            room = MAX_PACKETS - len(tried)
            tried += list(self._requester(before, sample, requested_from))[:room]
        oracle = Oracle(sample, self._config.management, Memory(seen=set(), cut=set()))
        said = [oracle.judge(one.packet).word for one in tried]
        _judge(tried, said, "the oracle")
        try:
            told = self._kernel(self._config, sample, [one.packet for one in tried])
        except Refused as error:
            if not str(error).startswith("scratch:"):
                raise Refused(f"staging: a scratch kernel refuses these rules: {error}") from None
            self.reason = str(error)
            return
        self.reason = ""
        _judge(tried, told, "a scratch kernel")

    def _requester(self, before: Intent | None, wanted: Intent, address: str) -> Iterator[Probe]:
        """Who asked must get in afterwards by every port by which he does now."""
        if before is None:
            return
        ports = {*self._config.management.ports, *before.management_ports}
        ports |= {one.first for one in before.services if one.protocol == "tcp"}
        now = Oracle(before, self._config.management, Memory(seen=set(), cut=set()))
        for port in sorted(ports):
            packet = _syn(address, port)
            if now.judge(packet).word == "accept":
                name = f"your own address {address} to TCP port {port}, which gets in now"
                yield Probe(name, packet, "accept")


def probes(intent: Intent, management: Management) -> Iterator[Probe]:
    """What every ruleset must answer rightly."""
    yield from _managers(intent, management)
    for net in [one for one in intent.vendors if _sendable(one)][: _MOST["vendor"]]:
        yield Probe(f"SIP from the vendor {net}", _sip(_first(net), intent.sip_port), "accept")
    listed = (*management.networks, *intent.management, *intent.vendors, *intent.exceptions)
    for version, candidates in _STRANGERS.items():
        known = [*listed, *(service.network for service in intent.services if service.network)]
        stranger = next((one for one in candidates if not _within(one, known)), None)
        if stranger is None:
            continue
        yield Probe(
            f"SIP without a token from a stranger, {stranger}",
            _sip(stranger, intent.sip_port),
            "drop",
        )
        for port in management.ports[:1]:
            name = f"TCP port {port} from a stranger, {stranger}"
            yield Probe(name, _syn(stranger, port), "drop")
        if intent.tokens and not intent.countries and not _within(stranger, intent.bans):
            token = intent.tokens[-1].value
            name = f"SIP with a live token from anywhere, {stranger}"
            packet = _sip(stranger, intent.sip_port, token, port=5061)
            yield Probe(f"{name} (IPv{version})", packet, "accept")


def _managers(intent: Intent, management: Management) -> Iterator[Probe]:
    """Each network by each port; of very many, as many as fit."""
    every = dict.fromkeys((*management.networks, *intent.management))
    nets = [net for net in every if _sendable(net)]
    ports = sorted({*management.ports, *intent.management_ports})
    pairs = [(net, port) for port in ports for net in nets]
    for net, port in pairs[: _MOST["management"]]:
        name = f"TCP port {port} from the management network {net}"
        yield Probe(name, _syn(_first(net), port), "accept")


def _judge(tried: Iterable[Probe], said: Iterable[str], who: str) -> None:
    for one, word in zip(tried, said, strict=True):
        if word != one.want:
            raise Refused(
                f"staging: {one.name}: must be answered with {one.want}, and {who} says {word}; "
                "nothing was changed"
            )


def _same_but_tokens(before: Intent, wanted: Intent) -> bool:
    free = {"generation", "tokens", "revoked", "bans"}
    names = [field.name for field in fields(Intent) if field.name not in free]
    return all(getattr(before, name) == getattr(wanted, name) for name in names)


def _sendable(net: str) -> bool:
    """Whether a packet from there can be sent into the scratch kernel, which is a host itself."""
    address = ipaddress.ip_address(_first(net))
    odd = address.is_loopback or address.is_multicast or address.is_unspecified
    odd |= str(address) in {*_HOST.values(), "255.255.255.255"}
    return not odd and int(address) >> 24 != 0


def _first(net: str) -> str:
    found = ipaddress.ip_network(net)
    return str(found.network_address + (1 if found.num_addresses > 2 else 0))


def _within(address: str, nets: Iterable[str]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(net) for net in nets)


def _syn(source: str, port: int) -> Packet:
    version: Literal[4, 6] = 6 if ":" in source else 4
    return Packet(version, "tcp", source, _HOST[version], 40_000, port, flags=("syn",))


def _sip(source: str, to: int, token: str = "", port: int = 5060) -> Packet:
    version: Literal[4, 6] = 6 if ":" in source else 4
    text = f"OPTIONS sip:probe SIP/2.0\r\nUser-Agent: probe {token}\r\n\r\n"
    return Packet(version, "udp", source, _HOST[version], port, to, text.encode())
