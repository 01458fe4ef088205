"""What is wrong on this machine and how to mend it: a finding a part, none needs another."""

import contextlib
import ctypes
import importlib.metadata
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ddiweb import doctor_sandbox
from ddiweb.clock import trusted
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.env import BASE_DIR, MissingSettingError
from ddiweb.live import heartbeat
from ddiweb.node_parts import ami_client, sandbox_runs
from firewall.channel import AgentChannel
from peers.models import NodeCertificate
from peers.realtime.store import open_store
from peers.tls import names

Grade = Literal["ok", "warn", "fail"]
OLDEST_PYTHON = (3, 11)
PATIENCE = 2.0  # seconds that a part is given to answer
LEAST_DISK_MB = 200
TOOLS = ("iptables-nft-restore", "ip6tables-nft-restore", "iptables-nft-save", "ipset")
MOST_AHEAD = 60.0  # seconds that trusted time may differ from the wall clock
UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
_PIN = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==([^ \\\n]+) \\$")


@dataclass(frozen=True)
class Finding:
    """One part: how it is, and what to do if it is not well."""

    part: str
    grade: Grade
    says: str
    remedy: str = ""


class _Bad(Exception):  # noqa: N818 - it carries a finding's words
    """A check that ends early: what is wrong, and the remedy."""

    def __init__(self, says: str, remedy: str, grade: Grade = "fail") -> None:
        super().__init__(says)
        self.says, self.remedy, self.grade = says, remedy, grade


def python() -> str:
    """Python is new enough, and this is the project's own environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise _Bad(f"{version} is too old", "install Python 3.11 or newer")
    if sys.prefix == sys.base_prefix:
        raise _Bad(f"{version}, not in a venv", "start it as .venv/bin/python", "warn")
    return version


def packages() -> str:
    """What is installed is what the lock says."""
    pins = _PIN.findall((BASE_DIR / "requirements.txt").read_text(encoding="utf-8"))
    wrong = []
    for name, version in pins:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            wrong.append(f"{name} {found}, not {version}")
    if wrong:
        raise _Bad("; ".join(wrong[:3]), "python3 lab/bootstrap.py")
    return f"{len(pins)} as locked"


def secrets() -> str:
    """Files that hold secrets are readable by their owner alone."""
    files = [BASE_DIR / ".env", settings.VAR_DIR / "ddiweb.env", settings.VAR_DIR / "sandbox.env"]
    for path in filter(lambda path: path.is_file(), files):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise _Bad(f"others may read {path.name}", f"chmod 600 {path}")
    return "readable by their owner alone"


def database() -> str:
    """The panel's database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise _Bad(str(error).strip(), "check DDIWEB_DATABASE_URL, and that it runs") from error
    return f"{connection.vendor} answers"


def migrations() -> str:
    """Every migration is applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise _Bad(f"{len(missing)} to apply", "manage.py migrate")
    return "all applied"


def broker() -> str:
    """Redis answers."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
    try:
        client.ping()
    except redis.RedisError as error:
        remedy = "start Redis, or check DDIWEB_REDIS_URL; edits wait in the database until then"
        raise _Bad(f"does not answer ({type(error).__name__})", remedy) from error
    finally:
        client.close()
    return "answers"


def node() -> str:
    """The node of this machine is in the panel."""
    row = _node()
    if row is None:
        raise _Bad(
            f"{settings.NODE!r} (DDIWEB_NODE) is not in the panel",
            "add it under Nodes, or set DDIWEB_NODE to one that is there", "warn",
        )  # fmt: skip
    return f"{row.slug}, generation {row.applied_generation} of {row.generation} in force" + (
        ", dry run" if row.dry_run else ""
    )


def worker() -> str:
    """A worker serves this node's queue."""
    return _heard_of(heartbeat.worker_name(settings.NODE), "ddiweb-worker and ddiweb-beat")


def watch() -> str:
    """The watch holds its AMI connection."""
    return _dry() or _heard_of(heartbeat.watch_name(settings.NODE), "ddiweb-watch")


def realtime() -> str:
    """The realtime database answers and has its tables."""
    if dry := _dry():
        return dry
    try:
        store = open_store(settings.REALTIME_URL, "reader")
        try:
            store.read()
        finally:
            store.close()
    except DeployError as error:
        raise _Bad(str(error), "check DDIWEB_REALTIME_URL; a first deployment makes it") from error
    return f"answers ({settings.REALTIME_URL.partition(':')[0]})"


def asterisk() -> str:
    """Asterisk answers over AMI."""
    if dry := _dry():
        return dry
    try:
        with ami_client() as client:
            seconds = client.ping()
            return f"answers in {seconds * 1000:.0f} ms ({client.version})"
    except (DeployError, MissingSettingError) as error:
        raise _Bad(str(error), "start Asterisk; compare DDIWEB_AMI_* with manager.conf") from error


def records() -> str:
    """Call records have a place, from which the watch may take them."""
    folder = Path(settings.CALL_RECORDS).parent
    if dry := _dry():
        return dry
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _Bad(f"{folder} is not there, or is shut", "docs/install.md, 6", "warn")
    return f"collected from {folder}"


def agent() -> str:
    """The firewall agent answers, and its rules are in force."""
    if dry := _dry():
        return dry
    try:
        status = AgentChannel(settings.AGENT_SOCKET, timeout=PATIENCE * 5).status()
    except DeployError as error:
        raise _Bad(str(error), "start ddiweb-agent; check DDIWEB_AGENT_SOCKET") from error
    if not status["in_force"]:
        raise _Bad("the rules in the kernel are not the applied ones", "manage.py deploy")
    return f"generation {status['generation']} in force"


def certificate() -> str:
    """Asterisk answers phones with TLS by a certificate that is not about to end."""
    if dry := _dry():
        return dry
    row = NodeCertificate.objects.filter(node__slug=settings.NODE).first()
    if row is None:
        node = _node()
        if node is None or not names.enabled(node):
            return "not needed: no TLS"
        raise _Bad("none was made yet", "manage.py deploy", "warn")
    if row.overdue:
        raise _Bad(f"ends {row.not_after:%Y-%m-%d}, not renewed when due", "manage.py deploy")
    if not row.served:
        raise _Bad(
            "Asterisk does not answer with it",
            "docs/operate.md, “Certificates”: asterisk_config, its log, DDIWEB_TLS_DIR", "warn",
        )  # fmt: skip
    return f"served, ends {row.not_after:%Y-%m-%d}, renewed {row.renew_at:%Y-%m-%d}"


def tools() -> str:
    """The agent's programs are installed."""
    from lab.tools import system_program

    missing = [name for name in TOOLS if system_program(name) is None]
    if missing and sandbox_runs():
        return "private ones of the sandbox"
    if missing:
        with contextlib.suppress(DatabaseError):  # the database has its own finding
            if dry := _dry():
                return dry
        raise _Bad(
            f"not installed: {', '.join(missing)}",
            "a node needs them: apt install iptables ipset", "warn",
        )  # fmt: skip
    return "installed"


def namespaces() -> str:
    """The sandbox and the tests can make network namespaces."""
    from lab import world

    if why := world.available():
        raise _Bad(why, "only `make run`, `make call` and the tests need them", "warn")
    return "allowed"


def clock() -> str:
    """The clock is kept in time: graces and certificates count on it."""
    # struct timex of adjtimex(2) on 64 bit: status is the int at byte 40; the modes 0 only read.
    state = ctypes.create_string_buffer(208)
    if ctypes.CDLL(None).adjtimex(state) < 0:
        raise _Bad("can't be asked", "", "warn")
    if int.from_bytes(state.raw[40:44], sys.byteorder) & UNSYNCHRONISED:
        raise _Bad("not synchronised", "apt install systemd-timesyncd", "warn")
    ahead = trusted.ahead_of_wall().total_seconds()
    if abs(ahead) > MOST_AHEAD:
        raise _Bad(
            f"synchronised, but graces end by a time that is {ahead:+.0f} s from it",
            "if the wall clock is right: manage.py clock --accept-wall", "warn",
        )  # fmt: skip
    return "synchronised"


def disk() -> str:
    """There is room."""
    free = shutil.disk_usage(settings.VAR_DIR if settings.VAR_DIR.exists() else BASE_DIR).free
    if free < LEAST_DISK_MB * 2**20:
        raise _Bad(f"{free // 2**20} MB free", "make room: databases can't be written soon")
    return f"{free // 2**30} GB free"


CHECKS: tuple[Callable[[], str], ...] = (
    *(python, packages, secrets, disk, clock, database, migrations, broker),
    *(node, worker, watch, realtime, asterisk, records, certificate, agent, tools, namespaces),
)


def examine(checks: Iterable[Callable[[], str]] = CHECKS) -> Iterator[Finding]:
    """Run each check; a check that breaks is a finding too."""
    for check in checks:
        part = check.__name__
        try:
            yield Finding(part, "ok", check())
        except _Bad as bad:
            yield Finding(part, bad.grade, bad.says, doctor_sandbox.remedy(part) or bad.remedy)
        except Exception as error:
            yield Finding(part, "fail", f"{type(error).__name__}: {error}", "mend what comes first")


def _node() -> Node | None:
    return Node.objects.filter(slug=settings.NODE).first()


def _dry() -> str:
    row = _node()
    return "not needed: dry run" if row is not None and row.dry_run else ""


def _heard_of(name: str, units: str) -> str:
    pulse = heartbeat.pulse(name)
    if pulse.age is None:
        raise _Bad("never heard of", f"start {units}")
    if not pulse.alive:
        raise _Bad(f"silent for {pulse.age:.0f} s", f"look into the log of {units}")
    return f"heard of {pulse.age:.0f} s ago"
