"""A small internet in network namespaces, for whoever may make a user namespace; no root needed.

::

    inet (bridge)  203.0.113.0/24, 2001:db8:113::/64   (RFC 5737, RFC 3849)
      ├─ srv .10          Asterisk and the rules
      ├─ vendor .20 .21   two vendors
      ├─ nat .30 ── 10.77.0.1 ── phone 10.77.0.2       masqueraded
      ├─ attacker .66 .67
      └─ admin .100       management network

``python -m lab.world --dir DIR`` builds it within ``unshare -Urnm`` and stays; it writes
DIR/world.json, with which any process of the same user can join a namespace. It ends, and with it
all that runs in its namespaces, on SIGTERM, at the end of its standard input if that is a pipe, and
when its parent ends.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from lab.errors import LabError
from lab.process import Process, Stopping, start_time, wait_until
from lab.tools import tool

START_TIMEOUT = 15.0
STOP_TIMEOUT = 5.0
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--")
_READ_ONLY = 3
_PROBE = (
    f"mount -t tmpfs none /run && {{ test -w /proc/sys/net/ipv4/ip_forward || exit {_READ_ONLY}; }}"
    ' && "$0" "$@" link add v0 type veth peer name v1 && "$0" "$@" link add b0 type bridge'
)


@dataclass(frozen=True)
class Namespace:
    """A network namespace that the process *pid*, started at *start*, keeps open."""

    name: str
    pid: int
    start: int
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]

    def argv(self, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
        """Return the command that runs *argv* here, in the folder *cwd* (the current one).

        It enters the user, mount and network namespaces of the world and replaces itself with
        *argv*. Raises LabError when the world is gone.
        """
        if start_time(self.pid) != self.start:
            raise LabError(f"the namespace {self.name} is gone: its world ended")
        spaces = [] if _same(self.pid, "user") else ["--user", "--preserve-credentials"]
        spaces += [] if _same(self.pid, "mnt") else ["--mount"]
        line = ["nsenter", f"--target={self.pid}", *spaces, "--net"]
        return [*line, f"--wdns={(cwd or Path.cwd()).absolute()}", "--", *argv]


def _same(pid: int, kind: str) -> bool:
    """Whether this process is in the namespace *kind* of *pid*: re-entering one is an error."""
    return Path(f"/proc/self/ns/{kind}").readlink() == Path(f"/proc/{pid}/ns/{kind}").readlink()


class World(Stopping):
    """A running world: one's own (``start``) or one that somebody else started (``attach``)."""

    def __init__(
        self, folder: Path, pid: int, ns: Mapping[str, Namespace], owned: Process | None = None
    ) -> None:
        self.folder = folder
        self.pid = pid
        self.ns = dict(ns)
        self._owned = owned

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Join the world that wrote *path* (world.json, or its folder).

        Raises LabError when there is none, or when it has ended.
        """
        file = path / "world.json" if path.is_dir() else path
        try:
            text = json.loads(file.read_text())
        except FileNotFoundError:
            raise LabError(f"no world here: {file} is missing") from None
        if start_time(text["pid"]) != text["start"]:
            raise LabError(f"the world of {file} has ended")
        spaces = {
            name: Namespace(
                name, entry["pid"], entry["start"], tuple(entry["ipv4"]), tuple(entry["ipv6"])
            )
            for name, entry in text["ns"].items()
        }
        return cls(file.parent, text["pid"], spaces)

    @classmethod
    def start(cls, folder: Path, timeout: float = START_TIMEOUT) -> Self:
        """Start a world as a child of this process, and attach to it.

        Its log is world.log in *folder*. It ends with ``stop()``, and with the thread that called.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file, log = folder / "world.json", folder / "world.log"
        file.unlink(missing_ok=True)
        tool("ip"), tool("iptables-nft")  # a first unpacking takes longer than a start may
        root = str(Path(__file__).resolve().parent.parent)
        child = Process.start(
            [sys.executable, "-m", "lab.world", "--dir", str(folder.resolve())],
            env={"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))},
            log=log,
            name="world",
            stdin=subprocess.PIPE,
        )

        def ready() -> bool:
            if not child.alive():
                tail = log.read_text(errors="replace").strip().splitlines()[-3:]
                raise LabError("the world does not start: " + " | ".join(tail))
            return file.exists()

        try:
            wait_until(ready, timeout, "the world is built")
            world = cls.attach(file)
        except BaseException:
            child.stop(STOP_TIMEOUT)
            raise
        world._owned = child
        return world

    def argv(self, name: str, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
        """Return the command that runs *argv* in the namespace *name*."""
        return self.ns[name].argv(argv, cwd)

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float = 30,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run *argv* in the namespace *name* to its end, as subprocess.run does with text."""
        return subprocess.run(
            self.argv(name, argv),
            env=os.environ | dict(env or {}),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
        )

    def alive(self) -> bool:
        """Whether the world still stands."""
        return all(start_time(space.pid) == space.start for space in self.ns.values())

    def stop(self) -> None:
        """End the world, if this process started it, and all that runs in it."""
        if self._owned:
            self._owned.stop(STOP_TIMEOUT)


@functools.cache
def available() -> str | None:
    """Return in one line why no world can be made here; None when one can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces need Linux"
    try:
        command = [*_UNSHARE, "sh", "-c", _PROBE, *tool("ip").argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except LabError as error:
        return str(error)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"namespaces cannot be made: {error}"
    if done.returncode == 0:
        return None
    if done.returncode == _READ_ONLY:
        return "/proc/sys is read-only here: run the container with --privileged"
    reason = " | ".join(done.stderr.strip().splitlines()[-2:])
    return _closed() or f"namespaces are not allowed here ({reason}): in a container, --privileged"


def _closed() -> str | None:
    """Return the switch that keeps user namespaces from this user, and how to set it."""
    limits = (
        ("kernel.unprivileged_userns_clone", "0", "1"),  # Debian before 11
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu from 23.10
        ("user.max_user_namespaces", "0", "10000"),
    )
    for name, closed, wanted in limits:
        path = Path("/proc/sys", *name.split(".", 1))
        if path.is_file() and path.read_text().strip() == closed:
            return f"user namespaces are switched off: as root, sysctl -w {name}={wanted}"
    return None


def main() -> int:
    """Build a world and stay until it is to end; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m lab.world", description="a small internet")
    parser.add_argument("--dir", type=Path, required=True, help="where world.json is written")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.inside:
            from lab import build

            return build.stay(given.dir)
        _enter(given.dir)
    except LabError as error:
        print(f"lab.world: {error}", file=sys.stderr)
    return 2


def _enter(folder: Path) -> NoReturn:
    """Become the same module within new namespaces; the owner knows this process by its id."""
    missing = available()
    if missing:
        raise LabError(missing)
    folder.mkdir(parents=True, exist_ok=True)
    inside = [sys.executable, "-m", "lab.world", "--inside", "--dir", str(folder.resolve())]
    os.execvp(_UNSHARE[0], [*_UNSHARE, *inside])  # noqa: S606 - there is no shell, as wanted


if __name__ == "__main__":
    sys.exit(main())
