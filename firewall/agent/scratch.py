"""A kernel of one's own to ask: a network namespace, the rules in it, real packets.

The namespace (see `own_net`) holds one TUN device, by which packets come in as from the network:
a write returns when the kernel has decided.

Two witnesses for each packet: the counters of our rules, and raw sockets, which get whatever
passed the INPUT chain. A cgroup that denies a service all addresses (systemd's IPAddressDeny)
blinds the sockets; then the counters speak alone, and nothing can be sent from inside.
"""

import contextlib
import fcntl
import os
import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ddiweb.deploy.errors import Refused
from firewall.agent import netlink, wire
from firewall.agent.config import Config
from firewall.agent.engine import Engine
from firewall.agent.netfilter import VERSIONS, Netfilter, Version
from firewall.agent.state import State
from firewall.ruleset.packet import Packet
from firewall.ruleset.parse import Dump
from firewall.ruleset.types import Intent
from firewall.ruleset.values import redact

_TUNSETIFF, _TUN, _NO_INFO = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_DEVICE = "probe0"
_CONTROL = {4: ("198.18.0.2", "198.18.0.1"), 6: ("2001:2::2", "2001:2::1")}  # RFC 2544, RFC 5180
_INET = {4: socket.AF_INET, 6: socket.AF_INET6}
_TYPES = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


class _Unwritten(State):
    """State that no disk sees: a scratch kernel is gone with its process."""

    def _write_fresh(self, name: str, raw: object) -> None:
        pass

    def _settle(self, name: str) -> None:
        pass


class Scratch:
    """The rules of an intent in this process's namespace (see `enter`); `folder` holds locks."""

    def __init__(self, config: Config, folder: Path, versions: Sequence[Version]) -> None:
        # A lock of its own: the host's is root's, and this kernel is nobody else's. Revoked flows
        # must die by the rules alone here, so nothing deletes them.
        config = replace(
            config,
            state_dir=folder,
            tools=config.tools | {"conntrack": ()},
            tool_env=config.tool_env | {"XTABLES_LOCKFILE": str(folder / "xtables.lock")},
        )
        self._netfilter = Netfilter(config)
        self._engine = Engine(config, self._netfilter, _Unwritten(folder))
        self._dumps: dict[Version, Dump] = {}
        self._raw: dict[tuple[int, str], socket.socket] = {}
        self._spoken: dict[tuple[object, ...], socket.socket] = {}
        # TCP, by the two ends: what to acknowledge, and the next number of the peer's own.
        self._sequences: dict[wire.Ends, int] = {}
        self._next: dict[wire.Ends, int] = {}
        self._addresses: set[str] = set()
        self._serial = random.getrandbits(16)  # joins fragments, guards nothing
        self._tun = open_tun()
        self._wire(versions)
        self.sees = all(self._control(version) for version in versions)

    def load(self, intent: Intent) -> None:
        """Bring `intent` into force here, by the agent's own way; raises as `apply` does."""
        self._engine.apply(intent, 0)
        self._dumps = {}

    def members(self, lines: Sequence[str]) -> None:
        """Run `ipset restore` lines."""
        self._netfilter.restore_sets(lines)

    def send(self, packet: Packet, shuffle: random.Random | None = None) -> bool | None:
        """Send one packet in (or out); whether it passed INPUT, None if that can't be seen."""
        self._own(packet)
        if packet.way == "out":
            self._speak(packet)
            return True
        if not self.sees:
            self._put(packet, shuffle)
            return None
        self._heard(packet)  # what came before is not this packet
        self._put(packet, shuffle)
        return self._heard(packet)

    def accepted(self) -> int:
        """How many packets our rules have accepted so far, both families together."""
        return sum(
            packets
            for dump in map(self._netfilter.read, VERSIONS)
            for name, rules in dump.own.items()
            for rule, packets in zip(rules, dump.packets[name], strict=True)
            if rule.endswith("-j ACCEPT")
        )

    def trace(self, packet: Packet) -> tuple[bool | None, bool | None, list[str]]:
        """Send one packet; whether sockets got it, what the rules' counters say, and its way."""
        if packet.way == "out":
            return self.send(packet), True, []
        version = packet.family
        before = self._dumps.get(version) or self._netfilter.read(version)
        passed = self.send(packet)
        after = self._dumps[version] = self._netfilter.read(version)
        way = _way(before, after)
        ends = [rule.rpartition(" -j ")[2] for rule in way]
        counted = "ACCEPT" in ends if {"ACCEPT", "DROP"} & set(ends) else None
        if packet.headless:
            # The rules meet the first fragment alone, for it is not put together; that they let it
            # through says nothing, as the host discards it behind them (RFC 8200, section 4.5).
            counted = None
        return passed, counted, [redact(rule) for rule in way]

    def _put(self, packet: Packet, shuffle: random.Random | None) -> None:
        self._serial += 1
        ends, own = _ends(packet), self._serial << 8
        if packet.flags != ("syn",):
            own = self._next.get(ends, own)
        peer = self._sequences.get(ends, 0)
        frames = wire.frames(packet, self._serial, sequence=own, answers=peer)
        self._next.setdefault(ends, own + len(packet.payload) & 0xFFFFFFFF)
        if shuffle:
            shuffle.shuffle(frames)
        for frame in frames:
            # The kernel refuses what no host could be meant by: the same as not letting it in.
            with contextlib.suppress(OSError):
                os.write(self._tun, frame)
        self._drain()

    def _heard(self, packet: Packet) -> bool:
        heard = False
        with contextlib.suppress(BlockingIOError):
            while self._raw[packet.family, packet.protocol].recv(65_536) is not None:
                heard = True
        return heard

    def _speak(self, packet: Packet) -> None:
        """The host's own packet to the peer; sockets stay open as long as the namespace."""
        if not self.sees:
            raise Refused("scratch: packets of the host's own can't be sent from this service")
        to, tcp = self._peer(packet), packet.protocol == "tcp"
        with contextlib.suppress(BlockingIOError):
            if tcp:
                self._speaker(packet).connect(to)
            elif packet.protocol == "udp":
                self._speaker(packet).sendto(packet.payload, to)
            else:
                mirrored = replace(packet, source=packet.destination, destination=packet.source)
                head = 20 if packet.family == 4 else 40  # which a raw socket writes itself
                self._speaker(packet).sendto(wire.frames(mirrored, 0)[0][head:], to)
        self._drain()

    def _speaker(self, packet: Packet) -> socket.socket:
        key: tuple[object, ...] = (packet.protocol, packet.destination)
        port, number = 0, wire.number(packet)
        if packet.protocol in _TYPES:
            port, number = packet.destination_port, 0
            key += (port,)
        if packet.protocol == "tcp":
            key += (packet.source, packet.source_port)
        if key not in self._spoken:
            kind = _TYPES.get(packet.protocol, socket.SOCK_RAW)
            self._spoken[key] = made = socket.socket(_INET[packet.family], kind, number)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setblocking(False)
            made.bind((packet.destination, port))
        return self._spoken[key]

    def _peer(self, packet: Packet) -> tuple[str | int, ...]:
        port = packet.source_port if packet.protocol in _TYPES else 0
        if packet.family == 4:
            return (packet.source, port)
        near = packet.source.startswith("fe80:")
        return (packet.source, port, 0, socket.if_nametoindex(_DEVICE) if near else 0)

    def _drain(self) -> None:
        """Take what the host sent: a peer's next segment has to fit what it said."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = os.read(self._tun, 65_536)
                told = wire.told(frame)
                if told is None:
                    continue  # what it sends by itself: multicast reports, errors
                ends, sequence, answers = told
                self._sequences[ends] = sequence
                if answers is not None:
                    self._next[ends] = answers

    def _own(self, packet: Packet) -> None:
        if packet.destination not in self._addresses:
            netlink.address(_DEVICE, packet.destination)
            self._addresses.add(packet.destination)

    def _wire(self, versions: Sequence[Version]) -> None:
        netlink.up("lo")
        netlink.up(_DEVICE, mtu=65_535)
        for version in versions:
            netlink.default_route(_DEVICE, version)
            for protocol in ("udp", "tcp", "icmp", "other"):
                peer, host = _CONTROL[version]
                kind = wire.number(Packet(version, protocol, peer, host, 9, 9))
                made = socket.socket(_INET[version], socket.SOCK_RAW, kind)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
                made.setblocking(False)
                self._raw[version, protocol] = made

    def _control(self, version: Version) -> bool:
        """Whether sockets see anything here, asked before any rule is loaded."""
        peer, host = _CONTROL[version]
        packet = Packet(version, "udp", peer, host, 9, 9, b"control")
        self._own(packet)
        self._put(packet, None)
        return self._heard(packet)


def open_tun() -> int:
    """A TUN device in this namespace, by its descriptor; raises `Refused`."""
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _TUN | _NO_INFO))
    except OSError as error:
        raise Refused(f"scratch: /dev/net/tun can't be used: {error.strerror}") from None
    return tun


def _ends(packet: Packet) -> wire.Ends:
    ports = (packet.source_port, packet.destination_port)
    return (packet.source, packet.destination, *ports)


def _way(before: Dump, after: Dump) -> list[str]:
    """Our rules whose counters rose, in the order in which a packet meets them."""
    risen: dict[str, list[str]] = {}
    for name, rules in after.own.items():
        old = before.packets.get(name, [])
        counts = zip(rules, after.packets[name], strict=True)
        risen[name] = [
            rule
            for index, (rule, count) in enumerate(counts)
            if index >= len(old) or count > old[index]
        ]
    return list(_follow(risen, "DDI-IN"))


def _follow(risen: dict[str, list[str]], chain: str, depth: int = 0) -> Sequence[str]:
    lines: list[str] = []
    for rule in risen.get(chain, []) if depth < 20 else []:
        lines.append(f"{chain} {rule}")
        target = rule.split()[-1]
        if target in risen:
            lines += _follow(risen, target, depth + 1)
    return lines
