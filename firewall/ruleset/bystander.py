"""The oracle's word on what has nothing to do with phones: ICMP, DHCP, answers to the host."""

import ipaddress

from firewall.ruleset.memory import Memory, Verdict, accept, drop, key_of, under, within
from firewall.ruleset.packet import Packet

_LINK_LOCAL = ipaddress.ip_network("fe80::/10")
_ERRORS_V4 = {3, 4, 5, 11, 12}  # unreachable, quench, redirect, time exceeded, parameter (RFC 792)
_ERRORS_V6 = {1, 2, 3, 4}  # unreachable, too big, time exceeded, parameter problem (RFC 4443)
_DISCOVERY = {133, 134, 135, 136}  # router and neighbour solicitation, advertisement (RFC 4861)
_LISTENERS = {130, 131, 132, 143}  # multicast listener discovery (RFC 3810)


class Bystander:
    """Judges by `memory` alone; no choice of the panel touches any of it."""

    memory: Memory

    def _dhcp(self, packet: Packet) -> Verdict | None:
        ends = (packet.source_port, packet.destination_port)
        if packet.family == 4 and ends == (67, 68):
            return accept("an answer of DHCP")
        if packet.family == 6 and ends == (547, 546) and within(packet, [_LINK_LOCAL]):
            return accept("an answer of DHCPv6 from the link")
        return None

    def _icmp4(self, packet: Packet) -> Verdict:
        if packet.icmp_type == 8:
            return accept("ICMP echo request")
        if packet.icmp_type in _ERRORS_V4 and self._quoted(packet):
            return accept("an ICMP error about a flow of the host")
        return under(f"ICMP type {packet.icmp_type}", self._reply(packet, 0))

    def _icmp6(self, packet: Packet) -> Verdict:
        kind = packet.icmp_type
        if kind == 128:
            return accept("ICMPv6 echo request")
        if kind in _ERRORS_V6:
            return accept("an ICMPv6 error")
        if kind in _DISCOVERY and packet.hop_limit == 255:
            return accept("neighbour discovery from the link")
        if kind in _LISTENERS and within(packet, [_LINK_LOCAL]):
            return accept("multicast listener discovery from the link")
        return under(f"ICMPv6 type {kind}", self._reply(packet, 129))

    def _reply(self, packet: Packet, kind: int) -> Verdict:
        if packet.icmp_type == kind:
            return self._rest(packet)
        return drop("not wanted")

    def _quoted(self, packet: Packet) -> bool:
        if packet.quotes is None:
            return False
        host, peer = packet.quotes
        return ("udp", packet.destination, host, packet.source, peer) in self.memory.flows

    def _rest(self, packet: Packet) -> Verdict:
        """Whatever has no rule of its own: answers pass."""
        flow = self.memory.flows.get(key_of(packet))
        if flow and (flow.by_host or flow.answered):
            return accept("belongs to a conversation of the host")
        return drop("nobody asked for it")
