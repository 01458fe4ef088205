"""The only subprocesses of the agent: iptables-save and -restore, ipset.

No shell; rules go in by standard input, so no token is ever in an argument list.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ddiweb.deploy.errors import Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.conntrack import Connections, Version
from firewall.ruleset.parse import Dump, SetDump, parse_headers, parse_save, parse_sets
from firewall.ruleset.values import redact

__all__ = ["VERSIONS", "Netfilter", "RestoreError", "Version"]

VERSIONS: tuple[Version, Version] = (4, 6)
_COMMAND = {4: "iptables", 6: "ip6tables"}
_SECONDS = 60  # a restore of 50,000 tokens takes 8 s on nft
_LOCK_SECONDS = 5
# A legacy tool fills buffers of 5 MB twice, for 10,000 tokens: with huge pages from one heap that
# is 480 page faults in place of 3,700 (GNU libc's manual, "Memory Allocation Tunables"; 2.35).
_HUGE_PAGES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=67108864"
# How `-v -S` prints a rule's counters; a rule of ours holds no " -c " of its own.
_INLINE = re.compile(r"\A(-A .*?) -c (\d+) (\d+)(.*)\Z")


class RestoreError(Exception):
    """iptables-restore or ipset refused a transaction; what it said, redacted."""


@dataclass(frozen=True)
class Lock:
    """A lock file of a tool's `own`, in place of iptables', which is `held` by that descriptor.

    The tool inherits it: killed in the middle, the agent leaves the lock with the tool (flock(2)).
    """

    own: str
    held: int


class Netfilter:
    """One backend of one network namespace."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.backend = config.backend
        self.connections = Connections(off=config.tools.get("conntrack") == ())

    def read(self, version: Version) -> Dump:
        """The filter table with counters."""
        return parse_save(self._save(version, self.backend))

    def read_both(self) -> dict[Version, Dump]:
        """Both families' tables; one is parsed while the other's tool still runs."""
        with ThreadPoolExecutor(len(VERSIONS)) as pool:
            return dict(zip(VERSIONS, pool.map(self.read, VERSIONS), strict=True))

    def read_sets(self) -> dict[str, SetDump]:
        """Our ipsets; of countries' networks only how many there are."""
        headers = parse_headers(self._ipset("list", "-terse"))
        vast = {name: one for name, one in headers.items() if name.startswith("ddi-land")}
        if not vast:
            return parse_sets(self._ipset("save"))
        listed = [self._ipset("save", name) for name in headers if name not in vast]
        return parse_sets("\n".join(listed)) | vast

    def _ipset(self, *arguments: str) -> str:
        done = self._run("ipset", [*arguments])
        if done.returncode:
            raise Retryable(f"ipset {arguments[0]}: {_said(done)}")
        return done.stdout

    def restore(self, version: Version, text: str, lock: "Lock | None" = None) -> None:
        """Load one transaction; raises `RestoreError` and has changed nothing if it fails."""
        name = f"{_COMMAND[version]}-{self.backend}-restore"
        wait = ["-w", "5"] if self.backend == "legacy" else []
        done = self._run(name, ["--noflush", *wait], text, lock)
        if done.returncode:
            raise RestoreError(f"{name}: {_said(done)}")

    def restore_both(self, texts: Mapping[Version, str]) -> dict[Version, RestoreError]:
        """Load a transaction a family at once; returns what went wrong, and changed nothing there.

        Both legacy families wait for one lock of iptables, though the kernel holds their tables
        apart: so it is taken here, for both.
        """
        with contextlib.ExitStack() as held, ThreadPoolExecutor(len(_COMMAND)) as pool:
            locks = {} if self.backend == "nft" else held.enter_context(self._lock())
            todo = {
                version: pool.submit(self.restore, version, text, locks.get(version))
                for version, text in texts.items()
            }
            faults = {version: one.exception() for version, one in todo.items()}
        for fault in faults.values():
            if fault and not isinstance(fault, RestoreError):
                raise fault
        return {v: fault for v, fault in faults.items() if isinstance(fault, RestoreError)}

    def read_chains(self, version: Version, names: Sequence[str]) -> Dump:
        """Some chains with their counters; one process a chain, and cheap on nft alone."""
        lines = ["*filter"]
        for name in names:
            done = self._run(f"{_COMMAND[version]}-{self.backend}", ["-v", "-S", name])
            if done.returncode:
                raise Retryable(f"chain {name}: {_said(done)}")
            lines += [_INLINE.sub(r"[\2:\3] \1\4", line) for line in done.stdout.splitlines()]
        return parse_save("\n".join(lines))

    def restore_sets(self, lines: Sequence[str]) -> None:
        """Run `ipset restore` lines; raises `RestoreError`."""
        if not lines:
            return
        done = self._run("ipset", ["restore"], "\n".join([*lines, ""]))
        if done.returncode:
            raise RestoreError(f"ipset restore: {_said(done)}")

    def destroy_set(self, name: str) -> None:
        """Remove a set that no rule uses; one still in use stays for the next time."""
        self._run("ipset", ["destroy", name])

    def forget(self, address: str, add: str, remove: str) -> None:
        """Move an address from one set to another, whether or not it was in the first."""
        self._run(
            "ipset", ["restore"], f"add -exist {add} {address}\ndel -exist {remove} {address}\n"
        )

    def save_set(self, name: str) -> str | None:
        """One set as `ipset save` shows it, or None if there is none of that name."""
        done = self._run("ipset", ["save", name])
        return None if done.returncode else done.stdout

    def other_backend(self) -> str | None:
        """What is loaded through the other backend: "" for nothing, None if it can't be known.

        legacy is only asked if the kernel says that its table exists, for asking would create it.
        """
        other = "legacy" if self.backend == "nft" else "nft"
        found: list[str] = []
        for version, names in ((4, "ip_tables_names"), (6, "ip6_tables_names")):
            if other == "legacy":
                present = _words(Path("/proc/self/net") / names)
                if present is None:
                    return None
                if "filter" not in present:
                    continue
            try:
                dump = parse_save(self._save(version, other))
            except (Retryable, Refused):
                return None
            closed = [n for n, policy in dump.policies.items() if policy not in {"-", "ACCEPT"}]
            count = sum(map(len, dump.chains.values()))
            if count or closed:
                found.append(f"{count} IPv{version} rules in {other}")
        return ", ".join(found)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[dict[Version, "Lock"]]:
        """Hold iptables' own lock; yields what gives each family's tool another one to take."""
        path = self._config.tool_env.get("XTABLES_LOCKFILE", "/run/xtables.lock")
        deadline = time.monotonic() + _LOCK_SECONDS
        try:
            lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Retryable(f"the lock of iptables, {path}: {error.strerror}") from None
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Retryable("another program holds the lock of iptables") from None
                    time.sleep(0.005)
            folder = self._config.state_dir
            yield {v: Lock(str(folder / f"xtables{v}.lock"), lock) for v in VERSIONS}
        finally:
            os.close(lock)

    def _save(self, version: int, backend: str) -> str:
        name = f"{_COMMAND[version]}-{backend}-save"
        done = self._run(name, ["-c", "-t", "filter"])
        if done.returncode:
            raise Retryable(f"{name}: {_said(done)}")
        return done.stdout

    def _run(
        self,
        name: str,
        arguments: list[str],
        text: str | None = None,
        lock: "Lock | None" = None,
    ) -> "subprocess.CompletedProcess[str]":
        argv = self._config.argv(name)
        if argv is None:
            raise Refused(f"tool {name} is not installed; install iptables, ipset, conntrack")
        try:
            return subprocess.run(
                [*argv, *arguments],
                input=text if text is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
                env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"}
                | ({"GLIBC_TUNABLES": _HUGE_PAGES} if "-legacy" in name else {})
                | self._config.tool_env
                | ({"XTABLES_LOCKFILE": lock.own} if lock else {}),
                pass_fds=[lock.held] if lock else [],
            )
        except subprocess.TimeoutExpired:
            raise Retryable(f"{name} did not end within {_SECONDS} s") from None
        except OSError as error:
            raise Refused(f"tool {name} does not start: {error.strerror}") from None


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    text = redact(" ".join(done.stderr.split()))[:300]
    return f"exit {done.returncode}: {text or 'no message'}"


def _words(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []  # the kernel has no legacy tables at all
    except OSError:
        return None
