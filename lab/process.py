"""Child processes that never outlive their parent.

The kernel sends a child SIGKILL when the *thread* that started it ends (prctl(2),
PR_SET_PDEATHSIG): start processes from a thread that lives as long as they shall.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from lab.errors import LabError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class Namespace(Protocol):
    """A place to run commands in, as ``World.ns["srv"]``."""

    def argv(self, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
        """Return the command that runs *argv* there, in the folder *cwd*."""


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send *number* to this process when *parent*, a process id, ends."""
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), number)


def outlive_parent() -> None:
    """Take back what ``die_with_parent`` asked for."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


class Stopping(ABC):
    """A context manager of what runs already: ``stop()`` at its end."""

    @abstractmethod
    def stop(self) -> object:
        """End it; harmless when it does not run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Running(Stopping):
    """A context manager of what is to run: also ``start()``; if that fails, nothing is left."""

    @abstractmethod
    def start(self) -> None:
        """Start it; raises LabError."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self


class Process(Stopping):
    """One child in a process group of its own; ended by its process id, never by name."""

    def __init__(
        self,
        name: str,
        child: subprocess.Popen[bytes],
        pidfile: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.child = child
        self.pidfile = pidfile
        self.stop_signal = stop_signal

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        ns: Namespace | None = None,
        *,
        name: str = "",
        pidfile: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Self:
        """Start *argv*.

        *env* is added to this process's environment; output goes to the end of *log* (nowhere
        without one; *stdout* overrides it, as ``subprocess.PIPE``). Raises LabError when the
        program cannot be started.
        """
        parent = os.getpid()
        line = ns.argv(argv, cwd) if ns else list(argv)
        with contextlib.ExitStack() as stack:
            output: int = subprocess.DEVNULL
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("ab")).fileno()
            try:
                child = subprocess.Popen(
                    line,
                    env=os.environ | dict(env or {}),
                    cwd=cwd,
                    stdin=stdin,
                    stdout=output if stdout is None else stdout,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - prctl alone
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise LabError(f"{name or argv[0]} does not start: {error}") from error
        if pidfile is not None:
            pidfile.parent.mkdir(parents=True, exist_ok=True)
            pidfile.write_text(f"{child.pid}\n")
        return cls(name or Path(argv[0]).name, child, pidfile, stop_signal)

    @property
    def pid(self) -> int:
        """Process id; with a namespace too, because nsenter replaces itself."""
        return self.child.pid

    def returncode(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs.

        It is not waited for before ``stop()``: so long its process id is nobody else's.
        """
        if self.child.returncode is not None:
            return self.child.returncode
        info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return None
        return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.returncode() is None

    def wait(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for its end; return whether it ended."""
        if self.child.returncode is not None:
            return True
        handle = os.pidfd_open(self.pid)
        try:
            return bool(select.select([handle], [], [], timeout)[0])
        finally:
            os.close(handle)

    def stop(self, timeout: float = 5.0) -> int:
        """End it: its stop signal (SIGTERM), after *timeout* seconds SIGKILL; then its group.

        Returns the exit status, negative for a signal. What is left of its process group is killed.
        """
        if self.child.returncode is None:
            if self.alive():
                os.kill(self.pid, self.stop_signal)
                self.wait(timeout)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream:
                stream.close()
        if self.pidfile is not None:
            self.pidfile.unlink(missing_ok=True)
        return self.child.returncode


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), stat field 22).

    With the process id it names a process for ever; None when there is no such process, or it is
    a zombie.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def wait_until(
    condition: Callable[[], bool],
    timeout: float,
    what: str,
    seen: Callable[[], object] | None = None,
) -> None:
    """Wait until *condition* returns true; LabError naming *what* after *timeout* seconds.

    With ``seen``, the error also tells what that returned in the end.
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            found = f"; seen: {seen()}" if seen else ""
            raise LabError(f"{what}: not within {timeout:g} s{found}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
