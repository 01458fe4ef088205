"""From marks and networks to what people call them: phones, vendors, offices."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property

from django.urls import NoReverseMatch, reverse

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from firewall.models import AddressException, ManagementNetwork
from peers.models import Token, Trunk
from peers.vendor_addresses import networks_of

REASONS = {
    "no_token": "No token",
    "unasked_response": "A SIP response that nobody asked for",
    "unknown_token": "A token that is not accepted",
    "too_long": "Longer than a stranger may send",
    "banned": "Banned address",
    "revoked": "Address of a revoked token",
    "rtp_unproved": "Audio without a proof",
    "closed_port": "Closed port",
    "tcp_stranger": "SIP over TCP from a stranger",
    "syn_rate": "Too many new TCP connections",
    "syn_data": "A TCP handshake with data",
    "throttled": "The classic throttle",
    "country": "Not from a chosen country",
}


@dataclass(frozen=True)
class Name:
    """What something is called, and where its page is ("": it has none)."""

    text: str
    url: str = ""


def page(name: str, *arguments: object) -> str:
    """The address of a page of the panel; "" where there is no such page."""
    try:
        return reverse(f"admin:{name}", args=arguments)
    except NoReverseMatch:
        return ""


class Names:
    """The names of one node, each list read once when it is first needed."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def subject(self, kind: str, key: str) -> Name:
        """What a time series is about."""
        if kind == "drop":
            return Name(REASONS.get(key, key.replace("_", " ").capitalize()))
        if kind in {"token", "revoked"} and key.isdecimal():
            return self.mark(int(key))
        if kind == "vendor":
            return self.vendor(key)
        return self.exception(key) if kind == "exempt" else Name(key)

    def mark(self, mark: int) -> Name:
        """The phone whose token has this mark."""
        row = self._tokens.get(mark)
        if row is None:
            return Name(f"token {mark}")
        if row.peer is None:
            return Name(f"{row.hint}…, of a peer that is gone")
        return Name(str(row.peer), page("peers_peer_change", row.peer.pk))

    def vendor(self, network: str) -> Name:
        """The trunks that this network belongs to."""
        trunks = self._vendors.get(_whole(network), [])
        if not trunks:
            return Name(network)
        text = " and ".join(str(trunk) for trunk in trunks)
        return Name(text, page("peers_trunk_change", trunks[0].pk))

    def exception(self, network: str) -> Name:
        """An exception, by its note."""
        row = AddressException.objects.filter(node=self._node, cidr=_whole(network)).first()
        url = page("firewall_addressexception_change", row.pk) if row else ""
        return Name(row.note or network if row else network, url)

    def management(self, network: str) -> Name:
        """A management network, by its note."""
        row = ManagementNetwork.objects.filter(node=self._node, cidr=_whole(network)).first()
        if row is None:
            return Name("the agent's own management network")
        text = f"the management network “{row.note}”" if row.note else "a management network"
        return Name(text, page("firewall_managementnetwork_change", row.pk))

    def vendor_networks(self, pk: int) -> list[str]:
        """The networks of one trunk, as the kernel's sets show them."""
        return [
            network.removesuffix("/128" if ":" in network else "/32")
            for network, trunks in self._vendors.items()
            if any(trunk.pk == pk for trunk in trunks)
        ]

    @cached_property
    def _tokens(self) -> dict[int, Token]:
        rows = Token.objects.filter(node=self._node).select_related("peer").defer("value")
        return {row.mark: row for row in rows}

    @cached_property
    def _vendors(self) -> dict[str, list[Trunk]]:
        trunks = Trunk.objects.in_bulk()
        found: dict[str, list[Trunk]] = {}
        try:
            networks = networks_of(self._node)
        except DeployError:
            return found
        for pk, cidrs in networks.items():
            for cidr in cidrs:
                found.setdefault(cidr, []).append(trunks[pk])
        return found


def _whole(network: str) -> str:
    """A network as it is stored; the kernel's tools leave out the length of a single address.

    What is none (the rest of a crowd) stands for itself.
    """
    try:
        return str(ipaddress.ip_network(network))
    except ValueError:
        return network
