"""A namespace of one's own to measure in: packets go in by a TUN device, their CPU time is counted.

A write to the TUN device returns when the kernel has decided about the packet, so the CPU time of
the writing thread is the cost of the packet. Subtracting the same packets' cost with nothing but a
DROP policy leaves the cost of the rules. It is CPU time, not the clock's, so other work on the
machine moves it only by what it does to the caches.
"""

import ctypes
import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from bench.result import median
from firewall.agent import netlink, own_net, scratch, wire
from firewall.agent.config import Config
from firewall.agent.engine import Engine
from firewall.agent.netfilter import Netfilter
from firewall.agent.state import State
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Management
from lab.tools import tool

Backend = Literal["nft", "legacy"]
BACKENDS: tuple[Backend, Backend] = ("nft", "legacy")
Inet = Literal[4, 6]
FAMILIES: tuple[Inet, Inet] = (4, 6)
SITE = "ddi-bench234-"
SIP = 5060
HOST = {4: "203.0.113.10", 6: "2001:db8:113::10"}
PEER = {4: "203.0.113.66", 6: "2001:db8:113::66"}
_TABLES = {4: "iptables", 6: "ip6tables"}
_DEVICE = "probe0"
_NEW_NET = 0x40000000  # unshare(2)


def config(backend: Backend, folder: Path) -> Config:
    """An agent's configuration with the tools of the lab and its state in `folder`."""
    parts = ("restore", "save")
    names = [f"{t}-{b}-{part}" for t in _TABLES.values() for b in BACKENDS for part in parts]
    commands = {name: tool(name) for name in [*names, "ipset", "conntrack"]}
    env = {"XTABLES_LOCKFILE": str(folder / "xtables.lock")}
    for command in commands.values():
        env |= command.env
    return Config(
        folder / "agent.sock",
        frozenset(),
        folder / "state",
        backend,
        {name: tuple(command.argv) for name, command in commands.items()},
        env,
        Management(("203.0.113.100/32", "2001:db8:113::100/128"), (22,)),
    )


class Ground:
    """This process's namespace (see `own_net.enter`) with one backend."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self.backend = backend
        settings = config(backend, folder)
        self.lock = folder / "xtables.lock"
        self.netfilter = Netfilter(settings)
        self.engine = Engine(settings, self.netfilter, State(settings.state_dir))
        self._tun = scratch.open_tun()
        self._fence = 0
        netlink.up("lo")
        netlink.up(_DEVICE, mtu=65_535)
        for version in FAMILIES:
            netlink.address(_DEVICE, HOST[version])
            netlink.default_route(_DEVICE, version)

    def apply(self, intent: Intent) -> None:
        """Bring an intent about by the agent's own way."""
        self._fence += 1
        self.engine.apply(intent, self._fence)

    def restore(self, family: Inet, text: str) -> None:
        """Load rules beside what is there."""
        self.netfilter.restore(family, text)

    def closed(self, family: Inet) -> None:
        """Nothing but a policy: what a packet costs without rules."""
        self.restore(family, "*filter\n:INPUT DROP [0:0]\n-F INPUT\nCOMMIT\n")

    def open(self, family: Inet) -> None:
        """Nothing but a policy that accepts."""
        self.restore(family, "*filter\n:INPUT ACCEPT [0:0]\n-F INPUT\nCOMMIT\n")

    def cost(self, packets: Sequence[Packet], runs: int = 5, seconds: float = 0.3) -> float:
        """Median CPU time in microseconds of one of `packets`, measured for about `seconds`."""
        frames = [frame for packet in packets for frame in wire.frames(packet, 1)]
        self._timed(frames, 1)
        least = self._timed(frames, 3)
        times = max(1, int(seconds / runs / max(least, 1e-6) / len(frames)))
        return median([self._timed(frames, times) * 1e6 for _ in range(runs)])

    def _timed(self, frames: Sequence[bytes], times: int) -> float:
        tun, write = self._tun, os.write
        begun = time.thread_time()
        for _ in range(times):
            for frame in frames:
                write(tun, frame)
        took = (time.thread_time() - begun) / len(frames) / times
        self._drain()
        return took

    def _drain(self) -> None:
        try:
            while True:
                os.read(self._tun, 65_536)
        except BlockingIOError:
            pass


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work(*arguments)` in a child that may change its namespaces; returns what it returns."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            theirs.send((True, work(*arguments)))
        except BaseException:
            theirs.send((False, traceback.format_exc()))
        finally:
            os._exit(0)
    theirs.close()
    try:
        good, value = ours.recv()
    finally:
        os.waitpid(pid, 0)
    if not good:
        raise RuntimeError(value)
    return value


def _enter() -> None:
    """A network namespace: as root's where that is allowed, for so an agent runs in production.

    Within a user namespace nft takes some 400 rules in a message, and a long ruleset many of them.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NET) != 0:
        own_net.enter()


def on_ground(backend: Backend, work: Callable[[Ground], Any]) -> Any:
    """Run `work` on a ground of its own, in a child."""

    def within() -> Any:
        _enter()
        with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
            return work(Ground(backend, Path(folder)))

    return apart(within)
