"""End what a revoked token still holds: its SIP flows, its proof, its RTP.

The ruleset has already taken the mark from its flows when this runs; RTP carries no token, so it
is found by the address of the flows. An address that another live token uses too (phones behind
one NAT) keeps its RTP: cutting it would cut the neighbour's call.
"""

from firewall.agent.netfilter import Netfilter, Version
from firewall.ruleset.types import ID_MASK, MARK_BITS

_ID = (1 << MARK_BITS) - 1
_LISTED_TOGETHER = 8  # more marks than this are found in one listing of all phones' flows
_VERSIONS: tuple[Version, Version] = (4, 6)


class Cutter:
    """Cuts flows; remembers which revoked marks it has already cut."""

    def __init__(self, netfilter: Netfilter) -> None:
        self._netfilter = netfilter
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
        return sum(self._cut_family(version, marks, live) for version in _VERSIONS)

    def _cut_family(self, version: Version, marks: set[int], live: set[int]) -> int:
        found = self._find(version, marks)
        if not found:
            return 0
        for mark in {mark for _, mark in found}:
            self._netfilter.cut_mark(version, mark)
        marked = self._netfilter.flows(version, 0x40000000, 0x40000000)
        spared = {flow.source for flow in marked if flow.mark & _ID in live}
        for address in sorted({source for source, _ in found} - spared):
            self._netfilter.forget(address, add=f"ddi-cut{version}", remove=f"ddi-seen{version}")
            self._netfilter.cut_address(version, address)
        return len(found)

    def _find(self, version: Version, marks: set[int]) -> set[tuple[str, int]]:
        """Addresses and marks; a flow that lost its bit still carries the number."""
        flows = []
        if len(marks) <= _LISTED_TOGETHER:
            for mark in marks:
                flows += self._netfilter.flows(version, mark, ID_MASK)
        else:
            flows = self._netfilter.flows(version, 0, 0x20000000)
        return {(flow.source, flow.mark & _ID) for flow in flows if flow.mark & _ID in marks}
