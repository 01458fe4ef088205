"""``make run``: the whole of ddiweb on this machine, in its own folder and its own namespaces.

Web, beat and Redis run beside each other on the host; Asterisk, the firewall agent, the worker and
the watch in the namespace ``srv`` of a private world, which they reach the former from through
files and Unix sockets. Everything ends with this process, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType

from lab import demo, keys, parts, tables
from lab.errors import LabError
from lab.keys import Places
from lab.parts import ROOT
from lab.process import die_with_parent, wait_until
from lab.supervise import Service, Supervisor
from lab.world import World
from lab.world import available as world_available

NO_NAMESPACES = "DDIWEB_NO_NAMESPACES"
BOUND = "DDIWEB_DIES_WITH_PARENT"
SLOW_TO_STOP = ("worker", "beat", "web", "watch")
SLOW_STEPS = ("database", "Asterisk", "deployment")
SETTLE_SECONDS = 30.0
CHECK_SECONDS = 5.0
#: The sweep, every 10 s, is the worker's heartbeat: silence of this many seconds is a hang.
SILENT_SECONDS = 25.0


class Ended(BaseException):
    """Somebody wants the sandbox to end while it is still starting."""


def say(message: str) -> None:
    """Print one progress line."""
    print(f"[run] {message}", flush=True)


def missing() -> str | None:
    """Why there can be no PBX here, in one line; None if there can. Fetches what it needs."""
    if os.environ.get(NO_NAMESPACES) == "1":
        return f"{NO_NAMESPACES}=1 is set"
    return world_available() or parts.missing_programs()


@contextlib.contextmanager
def alone(where: Places) -> Iterator[None]:
    """Hold the sandbox's lock; LabError with the other one's address if it runs already."""
    with (where.run / "sandbox.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError, ValueError, KeyError):
                running = json.loads(where.state.read_text())
                raise LabError(
                    f"it runs already, at {running['url']} (process {running['pid']})"
                ) from None
            raise LabError("it is being started by another process already") from None
        where.state.unlink(missing_ok=True)
        try:
            yield
        finally:
            where.state.unlink(missing_ok=True)


class Sandbox:
    """One run, from the first process to the last."""

    def __init__(self, where: Places) -> None:
        self.where = where
        self.began = time.monotonic()
        self.usual_port = parts.last_port(where)
        self.port = parts.free_port(self.usual_port)
        self.lacking = missing()
        self.stack = contextlib.ExitStack()
        self.supervisor = Supervisor(where.var, say)
        self.world: World | None = None
        self.starting = True
        self.ending = False
        self.worker_began = 0.0

    @property
    def url(self) -> str:
        """Where the panel is."""
        return f"http://127.0.0.1:{self.port}/"

    def stop_on_signals(self) -> None:
        """End in order on Ctrl-C, a closed terminal, or SIGTERM."""

        def end(_number: int, _frame: FrameType | None) -> None:
            if not self.ending:
                with contextlib.suppress(OSError):  # print may be interrupted halfway: not again
                    os.write(sys.stdout.fileno(), b"\n[run] ending\xe2\x80\xa6\n")
            self.ending = True
            self.supervisor.end()
            if self.starting:
                self.starting = False
                raise Ended

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)

    def start(self) -> str | None:
        """Start everything, wait until it answers; returns the password if it was made now."""
        settings = keys.ensure(self.where)
        self._step("Redis", lambda: self.supervisor.start(parts.redis(self.where)))
        self._step("database", tables.migrate)
        deployment = demo.contents(keys.NODE, dry_run=bool(self.lacking))
        made = demo.administrator(renew=False)
        panel = parts.web(self.port)
        # Python takes seconds to load Django: what nobody waits for yet starts first.
        self.supervisor.start(replace(panel, ready=None))
        self.supervisor.start(parts.beat(self.where))
        if not self.lacking:
            self._step("namespaces", self._build_world)
        self.worker_began = time.monotonic()
        self.supervisor.start(parts.worker(self.world.ns["srv"] if self.world else None))
        if self.world is not None:
            self._step("Asterisk", lambda: self._pbx(settings))
            self._step("firewall agent", self._node)
        self._step("panel", lambda: self._answered(panel))
        self._step("deployment", lambda: self._settle(deployment))
        state = {"url": self.url, "pid": os.getpid(), "dry_run": bool(self.lacking)}
        parts.remember_port(self.where, self.port)
        self.where.state.write_text(json.dumps(state))
        return made

    def _step(self, name: str, work: Callable[[], object]) -> None:
        if self.ending:  # Ended may be lost: Python swallows what is raised in some of its hooks
            raise Ended
        if name in SLOW_STEPS:
            say(f"{name} …")
        started = time.monotonic()
        work()
        say(f"{name:<18} {time.monotonic() - started:5.1f} s")

    def _answered(self, service: Service) -> None:
        if service.ready is not None:
            wait_until(service.ready, service.ready_timeout, f"{service.name} answers")

    def _build_world(self) -> None:
        self.world = self.stack.enter_context(World.start(self.where.world))

    def _pbx(self, settings: dict[str, str]) -> None:
        assert self.world is not None
        secret = settings["DDIWEB_AMI_SECRET"]
        plan = demo.pbx_plan(self.where, keys.NODE, secret, self.world.ns["srv"])
        plan.prepare()
        self.supervisor.start(plan.service())

    def _node(self) -> None:
        assert self.world is not None
        srv = self.world.ns["srv"]
        self.supervisor.start(parts.ssh(srv))
        self.supervisor.start(parts.agent(self.where, srv))
        self.supervisor.start(parts.watch(srv))

    def _settle(self, deployment: int) -> None:
        """Wait until the demo is in force; the panel shows why if it is not."""
        why = demo.wait_until_in_force(deployment, SETTLE_SECONDS)
        if why:
            say(f"not in force: {why}")

    def watch(self) -> None:
        """Keep it all alive until somebody ends it; LabError if the world falls."""
        self.starting = False
        while not self.ending:
            self.supervisor.watch(CHECK_SECONDS)
            if self.world is not None and not self.world.alive():
                raise LabError(f"the namespaces are gone; see {self.where.world}/world.log")
            self._restart_a_hung_worker()

    def _restart_a_hung_worker(self) -> None:
        """Kill a worker that lives and does nothing (celery #10205): it is started again."""
        try:
            age = demo.worker_age(keys.NODE)
        except Exception as error:
            say(f"the worker's heartbeat can't be read: {type(error).__name__}")
            return
        quiet = min(time.monotonic() - self.worker_began, age if age is not None else 1e9)
        if quiet > SILENT_SECONDS:
            say(f"the worker is silent for {quiet:.0f} s: it is started again")
            self.worker_began = time.monotonic()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.supervisor.pid("worker"), signal.SIGKILL)

    def stop(self) -> None:
        """End everything, the last first."""
        self.starting = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for name in SLOW_TO_STOP:
            # Together, not one after the other; Redis stays until they have ended.
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(self.supervisor.pid(name), signal.SIGTERM)
        with self.stack:
            self.supervisor.stop()


def ready_lines(sandbox: Sandbox, made: str | None) -> list[str]:
    """What a person must know."""
    password = made or "as printed at the first start or by the last `make password`"
    moved = "" if sandbox.port == sandbox.usual_port else f"  ({sandbox.usual_port} is taken)"
    lines = [
        "",
        f"  ddiweb is ready after {time.monotonic() - sandbox.began:.1f} s",
        f"  {'address':<10} {sandbox.url}{moved}",
        f"  {'user':<10} {demo.ADMINISTRATOR}",
        f"  {'password':<10} {password}",
    ]
    if sandbox.lacking:
        lines += [f"  {'dry run':<10} rows and rules are shown, not applied: {sandbox.lacking}"]
    else:
        lines += [f"  {'a call':<10} `make call` in another terminal"]
    return [*lines, f"  {'logs':<10} {sandbox.where.log}", "  Ctrl-C ends all of it.", ""]


def main() -> int:
    """Run the sandbox until it is ended; 1 if it can't be started."""
    if os.environ.get(BOUND) == "1":
        die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        where = keys.places(ROOT)
    except LabError as error:
        say(str(error))
        return 1
    parts.environment(where)
    try:
        with alone(where):
            sandbox = Sandbox(where)
            sandbox.stop_on_signals()
            try:
                made = sandbox.start()
                print("\n".join(ready_lines(sandbox, made)), flush=True)
                sandbox.watch()
            finally:
                sandbox.stop()
                say("everything has ended")
    except LabError as error:
        say(str(error))
        return 1
    except Ended:
        return 130
    except Exception as error:
        say(f"a defect: {type(error).__name__}: {error}; the rest stands in sandbox.log")
        (where.log / "sandbox.log").write_text(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
