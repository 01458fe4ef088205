"""Inside a fresh user, network and mount namespace: build the world, hold it, and clear it away.

A namespace lives as long as a process is in it: each has a holder, a child that sleeps. One more
child is the reaper: when the world ends, in whatever way, it kills all that is left in there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import debian, names
from lab.errors import LabError
from lab.process import die_with_parent, outlive_parent, start_time
from lab.tools import Command, tool

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_PARENT_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Host:
    """One namespace on the bridge: last parts of its addresses, the first is the main one."""

    name: str
    hosts: tuple[int, ...]
    forwarding: bool = False

    @property
    def ipv4(self) -> tuple[str, ...]:
        """Addresses in 203.0.113.0/24 (RFC 5737)."""
        return tuple(f"203.0.113.{host}" for host in self.hosts)

    @property
    def ipv6(self) -> tuple[str, ...]:
        """Addresses in 2001:db8:113::/64 (RFC 3849), written with the same digits."""
        return tuple(f"2001:db8:113::{host}" for host in self.hosts)


HOSTS = (
    Host("srv", (10,)),
    Host("vendor", (20, 21)),
    Host("nat", (30,), forwarding=True),
    Host("attacker", (66, 67)),
    Host("admin", (100,)),
)
PHONE = "phone"
PHONE_ADDRESS = "10.77.0.2"
NAT_ADDRESS = "10.77.0.1"
NAT_OUTSIDE = "203.0.113.30"
_MASQUERADE = """*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.77.0.0/24 -o eth0 -j MASQUERADE
COMMIT
"""


def _fork(work: Callable[[], object]) -> int:
    """Run *work* in a child that dies with this process; return its process id."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()  # Ctrl-C is for the owner alone
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(parent)
        work()
        status = 0
    finally:
        os._exit(status)


def _hold(*, forwarding: bool = False) -> int:
    """Make a network namespace and return the process id of its holder."""
    ready, tell = os.pipe()

    def sleep() -> None:
        os.close(ready)
        if _LIBC.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _set_kernel(forwarding)
        os.write(tell, b"+")
        os.close(tell)
        while True:
            signal.pause()

    pid = _fork(sleep)
    os.close(tell)
    with os.fdopen(ready, "rb") as pipe:
        if pipe.read(1) != b"+":
            raise LabError(
                "no network namespace, or /proc/sys is read-only (a container without --privileged)"
            )
    return pid


def _in(pid: int, argv: Sequence[str], text: str = "", env: dict[str, str] | None = None) -> None:
    """Run *argv* in the network namespace of *pid* with *text* as its input."""
    done = subprocess.run(
        ["nsenter", f"--target={pid}", "--net", "--", *argv],
        input=text,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{argv[-2:]}: {done.stderr.strip()} {done.stdout.strip()}")


def _set_kernel(forwarding: bool) -> None:
    """Set what the network interfaces to come inherit; /proc/sys/net is the reader's namespace."""
    values = {"ipv4/ip_forward": int(forwarding), "ipv6/conf/all/forwarding": int(forwarding)}
    for scope in ("all", "default"):
        values[f"ipv6/conf/{scope}/disable_ipv6"] = 0
        values[f"ipv6/conf/{scope}/accept_dad"] = 0  # addresses are usable at once
        values[f"ipv6/conf/{scope}/accept_ra"] = 0
    for name, value in values.items():
        (Path("/proc/sys/net") / name).write_text(f"{value}\n")


def _configure(pid: int, ip: Command, batch: Sequence[str]) -> None:
    _in(pid, ip.line("-batch", "-"), "".join(f"{line}\n" for line in batch), ip.env)


def _address_lines(host: Host) -> list[str]:
    lines = ["link set lo up", "link set eth0 up"]
    lines += [f"addr add {address}/24 dev eth0" for address in host.ipv4]
    lines += [f"addr add {address}/64 dev eth0 nodad" for address in host.ipv6]
    return lines


def build() -> dict[str, dict[str, object]]:
    """Build the world in this process's namespaces; return what world.json says of each."""
    debian.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run"])
    ip = tool("ip")
    pids = {host.name: _hold(forwarding=host.forwarding) for host in HOSTS} | {PHONE: _hold()}
    bridge = [
        "link set lo up",
        "link add inet type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        "link set inet addrgenmode none",
        "link set inet up",
    ]
    for host in HOSTS:
        bridge += [
            f"link add {host.name} type veth peer name eth0 netns {pids[host.name]}",
            f"link set {host.name} addrgenmode none master inet up",
        ]
    bridge.append(f"link add tmp0 type veth peer name eth0 netns {pids[PHONE]}")
    bridge.append(f"link set tmp0 name inside netns {pids['nat']}")
    _configure(os.getpid(), ip, bridge)
    for host in HOSTS:
        batch = _address_lines(host)
        if host.name == "nat":
            batch += ["link set inside up", f"addr add {NAT_ADDRESS}/24 dev inside"]
        _configure(pids[host.name], ip, batch)
    batch = ["link set lo up", "link set eth0 up", f"addr add {PHONE_ADDRESS}/24 dev eth0"]
    _configure(pids[PHONE], ip, [*batch, f"route add default via {NAT_ADDRESS}"])
    _masquerade(pids["nat"])
    _name_server(pids["nat"])
    addresses = {host.name: (host.ipv4, host.ipv6) for host in HOSTS}
    addresses[PHONE] = ((PHONE_ADDRESS,), ())
    return {
        name: {
            "pid": pid,
            "start": start_time(pid),
            "ipv4": addresses[name][0],
            "ipv6": addresses[name][1],
        }
        for name, pid in pids.items()
    }


def _name_server(pid: int) -> None:
    """Let the NAT answer names, as a phone's router does; everything in the world asks it."""
    space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)

    def work() -> None:
        if _LIBC.setns(space, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        names.serve(NAT_OUTSIDE)

    _fork(work)
    os.close(space)
    names.ask(NAT_OUTSIDE)


def _masquerade(pid: int) -> None:
    """Hide the phone's network behind the NAT's address, with whichever backend the kernel has."""
    faults = []
    for backend in ("nft", "legacy"):
        restore = tool(f"iptables-{backend}-restore")
        try:
            _in(pid, restore.argv, _MASQUERADE, restore.env)
        except LabError as error:
            faults.append(str(error))
        else:
            return
    raise LabError("no NAT in this kernel: " + " | ".join(faults))


def _spaces(pid: int | str) -> set[str]:
    """Return the user and network namespaces of a process; nothing when it is not ours to see."""
    found = set()
    for kind in ("user", "net"):
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found


def _sweep(spaces: set[str], spare: set[int]) -> None:
    """Kill everything in the namespaces *spaces* but *spare*, until there is nothing."""
    for _ in range(50):
        found = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            and int(entry.name) not in spare
            and _spaces(entry.name) & spaces
        ]
        alive = [pid for pid in found if start_time(pid) is not None]
        if not alive:
            return
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _reap(owner: int, spaces: set[str]) -> None:
    """Wait for the end of *owner*, then clear the namespaces away."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    outlive_parent()
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(owner)
        select.select([handle], [], [])
    _sweep(spaces, {os.getpid()})


def stay(folder: Path) -> int:
    """Build the world, write world.json into *folder*, and stay until it is to end."""
    started = time.monotonic()
    stop, tell = os.pipe()
    os.set_blocking(tell, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(tell, b"x") and None)
    parent = os.getppid()
    die_with_parent(parent, signal.SIGTERM)
    own = _spaces("self")
    entries: dict[str, dict[str, object]] = {}
    file = folder / "world.json"
    owner = os.getpid()
    reaper = _fork(lambda: _reap(owner, own))
    try:
        entries = build()
        text = {"version": 1, "pid": owner, "start": start_time(owner), "ns": entries}
        beside = file.with_suffix(".json.new")
        beside.write_text(json.dumps(text, indent=1))
        beside.replace(file)
        debian.say(f"the world stands after {time.monotonic() - started:.2f} s")
        _wait_for_the_end(stop, parent)
    finally:
        file.unlink(missing_ok=True)
        _sweep(own, {owner, reaper})
        os.kill(reaper, signal.SIGKILL)  # nothing is left for it
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    return 0


def _wait_for_the_end(stop: int, parent: int) -> None:
    watched = [stop]
    kind = os.fstat(0).st_mode
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        watched.append(0)
    while True:
        readable, _, _ = select.select(watched, [], [], _PARENT_POLL_SECONDS)
        if stop in readable or os.getppid() != parent:
            return
        if 0 in readable and not os.read(0, 4096):
            return
