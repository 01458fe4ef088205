"""The kernel's table of connections, asked whose a flow is and from how many places a token comes.

The rules write a token's number on the connection of the packet that carries it, so the table
knows what no SIP message tells Asterisk.
"""

import ipaddress
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from firewall.agent.conntrack import Flow, Version
from firewall.agent.netfilter import Netfilter
from firewall.ruleset.marks import FLOW_BIT, MARK_BITS
from firewall.ruleset.types import Intent
from firewall.ruleset.values import Invalid, network, whole

REMEMBERED = 4 * 3600  # seconds
MOST_PLACES = 8  # of one token
MOST_TOLD = 1024  # places of one token: with datagrams its holder can feign any number
PLACE = {4: 24, 6: 48}  # addresses that share so long a prefix are one place
_ID = (1 << MARK_BITS) - 1
_TIMEOUTS = Path("/proc/sys/net/netfilter")


class Whereabouts:
    """From where each token was seen: a phone may close its TCP connection and go on talking.

    Audio carries no token, so a revocation finds it by the address of the phone's signalling; of a
    closed connection the kernel keeps nothing. Not kept over the agent's own end.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # a revocation asks while a connection of the watch notes
        self._seen: dict[int, dict[str, float]] = {}

    def note(self, flows: Iterable[Flow]) -> None:
        """Remember where these flows come from, and forget what is too long ago."""
        now = self._clock()
        for flow in flows:
            with self._lock:
                places = self._seen.setdefault(flow.mark & _ID, {})
                places.pop(flow.source, None)  # the order is that of the last time
                places[flow.source] = now
                if len(places) > MOST_PLACES:
                    del places[next(iter(places))]
        with self._lock:
            for mark, places in list(self._seen.items()):
                kept = {place: at for place, at in places.items() if now - at < REMEMBERED}
                self._seen[mark] = kept
                if not kept:
                    del self._seen[mark]

    def of(self, marks: Iterable[int]) -> set[str]:
        """Addresses from which one of these tokens came."""
        with self._lock:
            return {place for mark in marks for place in self._seen.get(mark, ())}


class Flows:
    """Questions about the flows of phones. Changes nothing."""

    def __init__(
        self, netfilter: Netfilter, current: Callable[[], Intent | None], whereabouts: Whereabouts
    ) -> None:
        self._connections = netfilter.connections
        self._current = current
        self._whereabouts = whereabouts

    def whose(self, address: str, port: int) -> int:
        """The mark of the token that the SIP flow from there carried last; 0 if there is none.

        The kernel wrote it when it let the packet in that Asterisk has just judged. A sender who
        showed another token since then has that one too.
        """
        intent = self._current()
        if intent is None:
            return 0
        version: Version = 6 if ":" in address else 4
        for flow in self._connections.find(version, FLOW_BIT, FLOW_BIT):
            if (flow.source, flow.port) == (address, port) and flow.to in _sip_ports(intent):
                return flow.mark & _ID
        return 0

    def places(self) -> dict[str, dict[str, int]]:
        """Mark → place → seconds since its last packet, for tokens known from several places.

        At most `MOST_TOLD` of a token.

        Mostly the answer is empty: a phone is in one place.
        """
        seen: dict[str, dict[str, int]] = defaultdict(dict)
        self._whereabouts.note(self._placed(seen))
        return {mark: at for mark, at in seen.items() if len(at) > 1}

    def _placed(self, seen: dict[str, dict[str, int]]) -> Iterator[Flow]:
        """All flows of phones, one at a time, for there can be very many; counted in `seen`."""
        limits = _limits()
        for flow in self._connections.find(mark=FLOW_BIT, mask=FLOW_BIT):
            place = str(ipaddress.ip_network((flow.source, PLACE[flow.version]), strict=False))
            silent = max(0, limits.get(flow.kind, flow.left) - flow.left)
            at = seen[str(flow.mark & _ID)]
            if place in at or len(at) < MOST_TOLD:
                at[place] = min(silent, at.get(place, silent))
            yield flow


def endpoint(address: object, port: object) -> tuple[str, int]:
    """The address and port of a `whose`; raises `Invalid`."""
    if not isinstance(address, str) or len(address) > 45:
        raise Invalid("address", "is not an address", "send an IPv4 or IPv6 address")
    net = network(address + ("/128" if ":" in address else "/32"), "address")
    return str(net.network_address), whole(port, "port", 1, 65_535)


def _sip_ports(intent: Intent) -> tuple[int, ...]:
    return intent.sip_port, intent.tls_port, intent.iax_port


def _limits() -> dict[str, int]:
    """How long each kind of flow may be silent, in seconds, as this kernel is set."""
    names = {
        "udp": ("nf_conntrack_udp_timeout", 30),
        "udp assured": ("nf_conntrack_udp_timeout_stream", 120),
        "tcp assured": ("nf_conntrack_tcp_timeout_established", 432_000),
    }
    found = {}
    for kind, (name, usual) in names.items():
        try:
            found[kind] = int((_TIMEOUTS / name).read_text("ascii"))
        except (OSError, ValueError):
            found[kind] = usual
    return found
