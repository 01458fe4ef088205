"""The lab's Asterisk: configuration from deploy/asterisk, realtime database, start and stop by pid.

Runs as an ordinary user inside the world's namespaces. ``PbxPlan`` says what is to run (for a
supervisor, by ``service()``), ``Pbx`` runs one for tests.
"""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ddiweb.deploy.errors import DeployError
from lab import reach
from lab.errors import LabError
from lab.process import Namespace, Process, Running, wait_until
from lab.supervise import Service
from lab.tools import asterisk_paths, tool
from peers.realtime.ami import AmiClient
from peers.realtime.facts import NodeFacts
from peers.realtime.restarting import restart_secret
from peers.realtime.static import AmiTls, Folders, StaticConfig, write_static

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
#: Asterisk's control socket lies in the run folder; unix(7) allows 107 bytes.
_CONTROL_MAX = 107 - len("/asterisk.ctl")


@dataclass(frozen=True)
class PbxPlan:
    """What is to be run, and where; ``ns`` None is this process's own network.

    ``realtime_url`` is what Asterisk connects to (``sqlite:////…`` or ``postgresql://…``).
    ``start_timeout``: seconds within which it must have booted.
    """

    folder: Path
    node: NodeFacts
    realtime_url: str
    ami_secret: str
    ns: Namespace | None = None
    ami_user: str = "ddiweb"
    ami_port: int = 5038
    start_timeout: float = START_TIMEOUT
    ami_tls: AmiTls | None = None
    #: What the dialplan executes is written to the console's log; it slows calls down.
    tells_steps: bool = False

    def prepare(self) -> None:
        """Make the folders and write the configuration; harmless when repeated."""
        folders = self.folders
        if len(str(folders.run)) > _CONTROL_MAX:
            raise LabError(f"too long for Asterisk's control socket: {folders.run}")
        for name in ("etc", "state", "spool", "run", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.spool.parent.mkdir(exist_ok=True, mode=0o700)
        write_static(
            StaticConfig(
                node=self.node,
                folders=folders,
                realtime_url=self.realtime_url,
                ami_secret=self.ami_secret,
                tls=self.tls,
                sounds=self.sounds,
                ami_user=self.ami_user,
                ami_port=self.ami_port,
                ami_tls=self.ami_tls,
            )
        )

    @property
    def tls(self) -> Path:
        """Where Asterisk reads its certificate and its transports for TLS."""
        return self.folder / "tls"

    @property
    def spool(self) -> Path:
        """Where Asterisk writes call records (deploy/asterisk/cdr_custom.conf)."""
        return self.folder / "log" / "cdr-custom" / "ddiweb.csv"

    @property
    def sounds(self) -> Path:
        """Where Asterisk finds announcements and greetings."""
        return self.folder / "sounds"

    @property
    def voicemail(self) -> Path:
        """Where Asterisk keeps voicemail."""
        return self.folder / "spool" / "voicemail"

    @property
    def folders(self) -> Folders:
        """Asterisk's folders under ``folder``, and its parts from the private tree."""
        parts = asterisk_paths()
        own = {name: self.folder / name for name in ("etc", "state", "spool", "run", "log")}
        return Folders(modules=parts.modules, data=parts.data, **own)

    def service(self, name: str = "asterisk") -> Service:
        """Return Asterisk for a supervisor; ready when it has said FullyBooted."""
        command = tool("asterisk")
        line = command.line("-C", str(self.folder / "etc" / "asterisk.conf"), "-f", "-n")
        line += ["-vvv"] if self.tells_steps else []
        return Service(
            name,
            tuple(line),
            # Call records carry times without a zone: let it be this one.
            env={**command.env, "TZ": "UTC"},
            cwd=self.folder,
            ns=self.ns,
            ready=self.ready,
            ready_timeout=self.start_timeout,
            stop_timeout=STOP_TIMEOUT,
        )

    def client(
        self, *, events: bool = False, timeout: float = 5.0, orders: bool = False
    ) -> AmiClient:
        """Return an AMI client, not connected yet (``ami_client``)."""
        return ami_client(
            self.ns,
            self.ami_secret,
            self.ami_user,
            self.ami_port,
            events=events,
            timeout=timeout,
            orders=orders,
        )

    def ready(self) -> bool:
        """Whether Asterisk answers and has booted fully."""
        try:
            with self.client(events=True, timeout=2.0) as client:
                client.wait_booted(2.0)
        except DeployError:
            return False
        return True


class Pbx(Running):
    """A running Asterisk of this process; a context manager that stops it at the end."""

    def __init__(self, plan: PbxPlan) -> None:
        self.plan = plan
        self._process: Process | None = None

    @classmethod
    def at(
        cls,
        folder: Path,
        ns: Namespace | None,
        realtime_url: str,
        node: NodeFacts | None = None,
    ) -> Self:
        """Plan an Asterisk with a random AMI secret; ``start`` it, or use it in ``with``."""
        node = node or NodeFacts("lab", "ddi.lab", 5060, 10000, 10199)
        return cls(PbxPlan(folder, node, realtime_url, secrets.token_urlsafe(30), ns))

    def start(self) -> None:
        """Start Asterisk and wait until it is booted; raises LabError with its last words."""
        self.plan.prepare()
        service = self.plan.service()
        log = self.plan.folder / "log" / "console.log"
        process = Process.start(
            service.argv, service.env, service.cwd, log, service.ns, name=service.name
        )
        self._process = process

        def ready() -> bool:
            if not process.alive():
                tail = log.read_text(errors="replace").strip().splitlines()[-5:]
                raise LabError("Asterisk ended: " + " | ".join(tail))
            return self.plan.ready()

        try:
            wait_until(ready, self.plan.start_timeout, "Asterisk is booted")
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id of the running Asterisk."""
        if self._process is None:
            raise LabError("Asterisk was not started")
        return self._process.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.alive()

    def stop(self) -> None:
        """Stop it by its pid; harmless when it does not run."""
        if self._process is not None:
            self._process.stop(STOP_TIMEOUT)
            self._process = None

    def client(self, *, events: bool = False, timeout: float = 5.0) -> AmiClient:
        """Return an AMI client, not connected yet."""
        return self.plan.client(events=events, timeout=timeout)

    def command(self, text: str) -> str:
        """Do what somebody with the CLI can do; returns what it said."""
        with self.plan.client(orders=True) as client:
            said = client.action("Command", Command=text)
        return "\n".join(line for one in said for name, line in one.fields if name == "Output")

    def log(self, name: str = "messages.log") -> str:
        """Return a log so far as plain text, one line a message: level, source, words.

        ``messages.log``, ``security.log`` or ``console.log``; line ends within a message stay
        escaped.
        """
        return "\n".join(map(_plain, self.log_lines(name)))

    def log_lines(self, name: str = "messages.log") -> list[str]:
        """Return a log's lines as Asterisk wrote them."""
        for path in (self.plan.folder / "log" / name, self.plan.folder / "log" / Path(name).stem):
            with contextlib.suppress(FileNotFoundError):
                return path.read_text(errors="replace").split("\n")
        return []

    def forget(self) -> None:
        """Remove what a stopped Asterisk remembered: contacts, its database, its logs."""
        for name in ("state", "log", "spool", "run"):
            shutil.rmtree(self.plan.folder / name, ignore_errors=True)


def ami_client(
    ns: Namespace | None,
    secret: str,
    user: str = "ddiweb",
    port: int = 5038,
    *,
    events: bool = False,
    timeout: float = 5.0,
    orders: bool = False,
) -> AmiClient:
    """Return an AMI client, not connected yet, that works from inside and outside ``ns``.

    With ``orders`` it is that of the account that may use the CLI.
    """
    if orders:
        user, secret = f"{user}_restart", restart_secret(secret)
    connect = functools.partial(reach.connect, ns) if ns else socket.create_connection
    return AmiClient(
        "127.0.0.1", port, user, secret, events=events, timeout=timeout, connect=connect
    )


def _plain(line: str) -> str:
    """A line of the JSON log (deploy/asterisk/logger.conf) as text; any other as it is."""
    try:
        said = json.loads(line)["logmsg"]
        words = said["message"].rstrip("\n").replace("\n", "\\n").replace("\r", "\\r")
        return f"{said['level']} {said['location']['filename']}: {words}"
    except (ValueError, KeyError, TypeError):
        return line


def environment(plan: PbxPlan) -> Mapping[str, str]:
    """Return the panel's settings that lead to this Asterisk (``DDIWEB_AMI_*``)."""
    return {
        "DDIWEB_AMI_HOST": "127.0.0.1",
        "DDIWEB_AMI_PORT": str(plan.ami_port),
        "DDIWEB_AMI_USERNAME": plan.ami_user,
        "DDIWEB_AMI_SECRET": plan.ami_secret,
    }
