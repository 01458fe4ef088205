"""The kernel's table of connections, asked whose a flow is and from how many places a token comes.

The rules write a token's number on the connection of the packet that carries it, so the table
knows what no SIP message tells Asterisk.
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firewall.agent.netfilter import Netfilter, Version
from firewall.ruleset.types import FLOW_BIT, MARK_BITS, Intent, Invalid, network, whole

PLACE = {4: 24, 6: 48}  # addresses that share so long a prefix are one place
_VERSIONS: tuple[Version, Version] = (4, 6)
_ID = (1 << MARK_BITS) - 1
_FLOW = re.compile(r"(udp|tcp) +\d+ (\d+) .*?src=(\S+) dst=\S+ sport=(\d+) dport=(\d+) ")
_MARK = re.compile(r"\bmark=(\d+)\b")
_TIMEOUTS = Path("/proc/sys/net/netfilter")


@dataclass(frozen=True)
class Flow:
    """A connection; `left` are the seconds until the kernel forgets it, if it stays silent."""

    kind: str
    left: int
    source: str
    port: int
    to: int
    mark: int


class Flows:
    """Questions about the flows of phones. Changes nothing."""

    def __init__(self, netfilter: Netfilter, current: Callable[[], Intent | None]) -> None:
        self._netfilter = netfilter
        self._current = current

    def whose(self, address: str, port: int) -> int:
        """The mark of the token that the SIP flow from there carried last; 0 if there is none.

        The kernel wrote it when it let the packet in that Asterisk has just judged. A sender who
        showed another token since then has that one too.
        """
        intent = self._current()
        if intent is None:
            return 0
        version: Version = 6 if ":" in address else 4
        for flow in flows(self._netfilter, version, ["-s", address]):
            if flow.port == port and flow.mark & FLOW_BIT and flow.to in _sip_ports(intent):
                return flow.mark & _ID
        return 0

    def places(self) -> dict[str, dict[str, int]]:
        """Mark → place → seconds since its last packet, for tokens known from several places.

        Mostly the answer is empty: a phone is in one place.
        """
        seen: dict[str, dict[str, int]] = defaultdict(dict)
        limits = _limits()
        for version in _VERSIONS:
            for flow in flows(self._netfilter, version, ["--mark", f"{FLOW_BIT:#x}/{FLOW_BIT:#x}"]):
                place = str(ipaddress.ip_network((flow.source, PLACE[version]), strict=False))
                silent = max(0, limits.get(flow.kind, flow.left) - flow.left)
                at = seen[str(flow.mark & _ID)]
                at[place] = min(silent, at.get(place, silent))
        return {mark: at for mark, at in seen.items() if len(at) > 1}


def flows(netfilter: Netfilter, version: Version, match: list[str]) -> Iterator[Flow]:
    """The connections that `match` (options of conntrack) selects."""
    for line in netfilter.list_flows(version, match).splitlines():
        head, mark = _FLOW.match(line), _MARK.search(line)
        if head and mark:
            source = str(ipaddress.ip_address(head[3]))
            kind = f"{head[1]} assured" if "[ASSURED]" in line else head[1]
            yield Flow(kind, int(head[2]), source, int(head[4]), int(head[5]), int(mark[1]))


def endpoint(address: object, port: object) -> tuple[str, int]:
    """The address and port of a `whose`; raises `Invalid`."""
    if not isinstance(address, str) or len(address) > 45:
        raise Invalid("address", "is not an address", "send an IPv4 or IPv6 address")
    net = network(address + ("/128" if ":" in address else "/32"), "address")
    return str(net.network_address), whole(port, "port", 1, 65_535)


def _sip_ports(intent: Intent) -> tuple[int, ...]:
    return intent.sip_port, intent.tls_port


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
