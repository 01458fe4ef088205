"""End what a revoked token still holds: its SIP flows, its proof, its RTP.

The ruleset has already taken the mark from its flows when this runs; RTP carries no token, so it
is found by the address of the flows. An address that another live token uses too (phones behind
one NAT) keeps its RTP: cutting it would cut the neighbour's call.
"""

from firewall.agent.conntrack import Flow, Version
from firewall.agent.flows import Whereabouts
from firewall.agent.netfilter import VERSIONS, Netfilter
from firewall.ruleset.marks import FLOW_BIT, ID_MASK, MARK_BITS, RTP_MARK

_ID = (1 << MARK_BITS) - 1


class Cutter:
    """Cuts flows; remembers which revoked marks it has already cut."""

    def __init__(self, netfilter: Netfilter, whereabouts: Whereabouts) -> None:
        self._whereabouts = whereabouts
        self._netfilter = netfilter
        self._connections = netfilter.connections
        self._done: set[int] = set()

    def cut_once(self, marks: set[int], live: set[int]) -> None:
        """Cut those of `marks` that were not cut since this process started."""
        self._done &= marks
        fresh = marks - self._done
        if fresh:
            self.cut(fresh, live)
            self._done |= fresh

    def cut(self, marks: set[int], live: set[int]) -> int:
        """Cut; returns how many SIP flows were found. `live` are marks whose phones go on."""
        found = self._find(marks)
        self._connections.end(flow for flow in found if _ours(flow))
        places = {flow.source for flow in found} | self._whereabouts.of(marks)
        for version in VERSIONS:
            if mine := {one for one in places if (":" in one) == (version == 6)}:
                self._cut_audio(version, mine, live)
        return len(found)

    def _find(self, marks: set[int]) -> list[Flow]:
        """Flows that carry these numbers; one that lost its bit still carries the number."""
        if len(marks) == 1:
            return list(self._connections.find(mark=next(iter(marks)), mask=ID_MASK))
        flows = self._connections.find(mask=RTP_MARK)
        return [flow for flow in flows if flow.mark & _ID in marks]

    def _cut_audio(self, version: Version, addresses: set[str], live: set[int]) -> None:
        # Of all that the table may hold: strangers fill it with handshakes that they never end.
        flows = [
            flow
            for flow in self._connections.find(version)
            if flow.mark & FLOW_BIT or not addresses.isdisjoint((flow.source, flow.dest))
        ]
        phones = (flow for flow in flows if flow.mark & FLOW_BIT)
        spared = {flow.source for flow in phones if flow.mark & _ID in live}
        gone = addresses - spared
        for address in sorted(gone):
            self._netfilter.forget(address, add=f"ddi-cut{version}", remove=f"ddi-seen{version}")
        self._connections.end(
            flow
            for flow in flows
            if flow.kind.startswith("udp") and not gone.isdisjoint((flow.source, flow.dest))
        )


def _ours(flow: Flow) -> bool:
    """Of TCP only what has a phone's bit: the low numbers may be another program's marks.

    A silent TCP connection would else outlive the list of revoked marks: its timeout is days.
    """
    return flow.kind.startswith("udp") or bool(flow.kind and flow.mark & FLOW_BIT)
