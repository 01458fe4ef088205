"""The sandbox's services: how each is started and when it is ready."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.keys import NODE, Places
from lab.process import Namespace
from lab.supervise import Service, unix_ready
from lab.tools import Command, fetch, tool
from lab.valkey import redis_command

ROOT = Path(__file__).resolve().parent.parent
FIRST_PORT = 8000
LAST_PORT = 8099
SSH_PORT = 22
MANAGEMENT = ("203.0.113.100/32", "2001:db8:113::100/128")
AGENT_TOOLS = (
    *(
        f"{family}-nft{part}"
        for family in ("iptables", "ip6tables")
        for part in ("", "-restore", "-save")
    ),
    "ipset",
)


def python(*arguments: str) -> tuple[str, ...]:
    """Return the command for a Python module of the venv that runs this."""
    return (sys.executable, *arguments)


def _taken(port: int) -> bool:
    """Take the lock of a port; false if another process has it."""
    path = Path(tempfile.gettempdir()) / f"ddiweb-{os.getuid()}-port-{port}.lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    return True


def free_port(wanted: int = FIRST_PORT) -> int:
    """Return *wanted*, or the first free port from 8000 on; LabError if none is free on loopback.

    A server takes it seconds later, and other sandboxes start meanwhile: a lock, held as long as
    this process lives, tells them that it is given away.
    """
    candidates = [wanted, *(port for port in range(FIRST_PORT, LAST_PORT + 1) if port != wanted)]
    for port in candidates:
        if not _taken(port):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LabError(f"no free port from {FIRST_PORT} to {LAST_PORT} on loopback")


def last_port(where: Places) -> int:
    """Return the panel's port at the last start; the first there is if none is known."""
    try:
        port = int((where.run / "panel.port").read_text())
    except (OSError, ValueError):
        return FIRST_PORT
    return port if FIRST_PORT <= port <= LAST_PORT else FIRST_PORT


def remember_port(where: Places, port: int) -> None:
    """Keep the panel's port for the next start."""
    (where.run / "panel.port").write_text(f"{port}\n")


def answers(url: str) -> Callable[[], bool]:
    """Return a check: *url* is answered with 200."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own URL
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ready


def missing_programs() -> str | None:
    """Fetch Asterisk and the agent's programs; returns why one can't be had, or None."""
    try:
        fetch(["asterisk", *AGENT_TOOLS])
    except LabError as error:
        return str(error)
    return None


def redis(where: Places) -> Service:
    """A Redis of our own: one Unix socket, no TCP, nothing kept on disk."""
    command = redis_command()
    options = {
        "port": "0",
        "unixsocket": str(where.redis_socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(where.run),
        "daemonize": "no",
    }
    line = command.line(*(part for name, value in options.items() for part in (f"--{name}", value)))
    return Service("redis", tuple(line), command.env, ready=unix_ready(where.redis_socket))


def web(port: int) -> Service:
    """The panel."""
    line = python(
        *("-m", "gunicorn", "ddiweb.wsgi:application", "--bind", f"127.0.0.1:{port}"),
        *(
            "--worker-class",
            "gthread",
            "--workers",
            "2",
            "--threads",
            "4",
            "--preload",
            "--no-control-socket",
        ),
        *("--graceful-timeout", "3", "--worker-tmp-dir", "/dev/shm"),
    )
    return Service("web", line, cwd=ROOT, ready=answers(f"http://127.0.0.1:{port}/healthz"))


def beat(where: Places) -> Service:
    """Celery's clock."""
    schedule = str(where.run / "beat-schedule")
    line = python("-m", "celery", "-A", "ddiweb.celery", "beat", "--pidfile=", "-s", schedule)
    return Service("beat", line, cwd=ROOT)


def worker(ns: Namespace | None) -> Service:
    """Celery's worker of this node, beside its Asterisk and its agent."""
    line = python(
        *("-m", "celery", "-A", "ddiweb.celery", "worker", "-Q", f"control,node-{NODE}"),
        *("--concurrency", "2", "--pool", "prefork", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "-n", f"{NODE}@%h"),
    )
    return Service("worker", line, cwd=ROOT, ns=ns)


def watch(ns: Namespace) -> Service:
    """The process that holds the AMI connection."""
    return Service("watch", python("manage.py", "watch"), cwd=ROOT, ns=ns)


def ssh(ns: Namespace) -> Service:
    """A stand-in for ssh, on the management port."""
    return Service("ssh", python("-m", "lab.listen", str(SSH_PORT)), cwd=ROOT, ns=ns)


def agent(where: Places, ns: Namespace) -> Service:
    """The firewall agent, with CAP_NET_ADMIN in the namespace ``srv`` alone."""
    commands = {name: tool(name) for name in AGENT_TOOLS}
    config = {
        "socket": str(where.agent_socket),
        # In the world's user namespace whoever started it is user 0.
        "allowed_uids": [0],
        "state_dir": str(where.var / "sandbox" / "agent"),
        "backend": "nft",
        "tools": {name: list(command.argv) for name, command in commands.items()},
        "tool_env": _merged(commands),
        "management_networks": list(MANAGEMENT),
        "management_ports": [SSH_PORT],
    }
    Path(config["state_dir"]).mkdir(mode=0o700, exist_ok=True)  # type: ignore[arg-type]
    file = where.var / "sandbox" / "agent.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config, indent=1))
    line = python("-m", "firewall.agent", "--config", str(file))
    return Service("agent", line, cwd=ROOT, ns=ns, ready=unix_ready(where.agent_socket))


def _merged(commands: dict[str, Command]) -> dict[str, str]:
    values: dict[str, str] = {}
    for command in commands.values():
        values |= command.env
    return values


def environment(where: Places) -> None:
    """Let every child find the checkout and the folder, and tell its log at once."""
    os.environ["DDIWEB_VAR"] = str(where.var)
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["DJANGO_SETTINGS_MODULE"] = "ddiweb.settings"
    known = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(known))
