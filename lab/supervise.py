"""Named services that are kept alive: started in order, restarted when they die, ended in reverse.

Process ids stand in DIR/run/<name>.pid, output in DIR/log/<name>.log. All of it happens in the
thread that calls ``start`` and ``watch``: the kernel ends the services with that thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import debian
from lab.errors import LabError
from lab.process import Namespace, Process, wait_until

FIRST_DELAY = 0.2  # seconds between a death and the restart; doubles with each early death
LONGEST_DELAY = 5.0
STABLE_SECONDS = 10.0
LOG_BYTES_MAX = 10 * 1024 * 1024
_NAME = re.compile(r"\A[a-z][a-z0-9-]{0,30}\Z")


@dataclass(frozen=True)
class Service:
    """A program to keep alive.

    *env* is added to the environment, *ns* is the namespace it runs in; *ready* says whether it
    answers (asked for up to *ready_timeout* seconds). *stop_timeout* seconds after *stop_signal* it
    is killed.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ns: Namespace | None = None
    ready: Callable[[], bool] | None = None
    ready_timeout: float = 20.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 5.0

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"name of a service: {self.name!r}")
        if not self.argv:
            raise ValueError(f"service {self.name} without a command")


@dataclass
class _State:
    """A service and the process that is it now; *due* is when the next one starts."""

    service: Service
    process: Process
    started: float
    deaths: int = 0
    due: float | None = None


class Supervisor:
    """Keeps services alive in one thread; a context manager that stops them all at its end."""

    def __init__(self, folder: Path, report: Callable[[str], None] = debian.say) -> None:
        self.folder = folder
        self.report = report
        self._states: dict[str, _State] = {}
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._ending = False

    def log(self, name: str) -> Path:
        """Return the log file of a service."""
        return self.folder / "log" / f"{name}.log"

    def pid(self, name: str) -> int:
        """Return the process id that the service *name* has now."""
        return self._states[name].process.pid

    def start(self, service: Service) -> Process:
        """Start *service* and wait until it is ready.

        Raises LabError with the end of its log when it dies or is not ready in time; it is then
        stopped and not kept.
        """
        if service.name in self._states:
            raise ValueError(f"service {service.name} is started already")
        process = self._spawn(service)
        try:
            if service.ready is not None:
                self._wait_ready(service, process)
        except BaseException:
            process.stop(service.stop_timeout)
            raise
        self._states[service.name] = _State(service, process, time.monotonic())
        return process

    def watch(self, seconds: float | None = None) -> None:
        """Restart what dies, for *seconds* or until ``end()``."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._ending:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return
            for state in self._states.values():
                self._tend(state, now)
            self._sleep(deadline)

    def end(self) -> None:
        """Let ``watch`` return; may be called from a signal handler or another thread."""
        self._ending = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def stop(self) -> None:
        """Stop all services, the last first."""
        for name in reversed(list(self._states)):
            state = self._states.pop(name)
            state.process.stop(state.service.stop_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _spawn(self, service: Service) -> Process:
        log = self.log(service.name)
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        return Process.start(
            service.argv,
            service.env,
            service.cwd,
            log,
            service.ns,
            name=service.name,
            pidfile=self.folder / "run" / f"{service.name}.pid",
            stop_signal=service.stop_signal,
        )

    def _wait_ready(self, service: Service, process: Process) -> None:
        ready = service.ready
        assert ready is not None

        def answers() -> bool:
            if not process.alive():
                raise LabError(f"{service.name} ended at its start: {self._tail(service.name)}")
            return ready()

        try:
            wait_until(answers, service.ready_timeout, f"{service.name} is ready")
        except LabError as error:
            if not process.alive():
                raise
            raise LabError(f"{error}: {self._tail(service.name)}") from None

    def _tail(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "its log is empty"

    def _tend(self, state: _State, now: float) -> None:
        """Note a death and when to restart; restart what is due."""
        service = state.service
        if state.due is None and not state.process.alive():
            status = state.process.stop()
            state.deaths = state.deaths + 1 if now - state.started < STABLE_SECONDS else 1
            delay = min(FIRST_DELAY * 2 ** (state.deaths - 1), LONGEST_DELAY)
            state.due = now + delay
            self.report(f"{service.name} ended with {status}: restart in {delay:g} s")
        if state.due is not None and now >= state.due:
            state.due = None
            state.started = now
            try:
                state.process = self._spawn(service)
            except LabError as error:  # its namespace is gone, say: there may be another tomorrow
                state.due = now + LONGEST_DELAY
                self.report(str(error))

    def _sleep(self, deadline: float | None) -> None:
        """Wait for a death, for the next restart, or to be woken."""
        times = [state.due for state in self._states.values() if state.due is not None]
        times += [deadline] if deadline is not None else []
        timeout = max(0.0, min(times) - time.monotonic()) if times else None
        handles = [
            os.pidfd_open(state.process.pid)
            for state in self._states.values()
            if state.due is None and state.process.alive()
        ]
        try:
            waiting = [state for state in self._states.values() if state.due is None]
            if len(handles) == len(waiting):
                select.select([self._wake_read, *handles], [], [], timeout)
        finally:
            for handle in handles:
                os.close(handle)


def unix_ready(path: Path) -> Callable[[], bool]:
    """Return a check: something accepts connections on the Unix socket *path*."""

    def ready() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(path)) == 0

    return ready


def tcp_ready(host: str, port: int) -> Callable[[], bool]:
    """Return a check: something accepts TCP connections on *host*, an IPv4 address."""

    def ready() -> bool:
        with socket.socket(socket.AF_INET) as probe:
            probe.settimeout(1)
            return probe.connect_ex((host, port)) == 0

    return ready
