"""Checks of this machine, whether or not it serves a node: environment, panel's database, Redis."""

import ctypes
import importlib.metadata
import re
import shutil
import stat
import sys

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ddiweb.clock import trusted
from ddiweb.doctor_findings import PATIENCE, Bad
from ddiweb.env import BASE_DIR

OLDEST_PYTHON = (3, 11)
LEAST_DISK_MB = 200
MOST_AHEAD = 60.0  # seconds that trusted time may differ from the wall clock
UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
_PIN = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==([^ \\\n]+) \\$")


def python() -> str:
    """Python is new enough, and this is the project's own environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise Bad(f"{version} is too old", "install Python 3.11 or newer")
    if sys.prefix == sys.base_prefix:
        raise Bad(f"{version}, not in a venv", "start it as .venv/bin/python", "warn")
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
        raise Bad("; ".join(wrong[:3]), "python3 lab/bootstrap.py")
    return f"{len(pins)} as locked"


def secrets() -> str:
    """Files that hold secrets are readable by their owner alone."""
    files = [BASE_DIR / ".env", settings.VAR_DIR / "ddiweb.env", settings.VAR_DIR / "sandbox.env"]
    for path in filter(lambda path: path.is_file(), files):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Bad(f"others may read {path.name}", f"chmod 600 {path}")
    return "readable by their owner alone"


def disk() -> str:
    """There is room."""
    free = shutil.disk_usage(settings.VAR_DIR if settings.VAR_DIR.exists() else BASE_DIR).free
    if free < LEAST_DISK_MB * 2**20:
        raise Bad(f"{free // 2**20} MB free", "make room: databases can't be written soon")
    return f"{free // 2**30} GB free"


def clock() -> str:
    """The clock is kept in time: graces and certificates count on it."""
    # struct timex of adjtimex(2) on 64 bit: status is the int at byte 40; the modes 0 only read.
    state = ctypes.create_string_buffer(208)
    if ctypes.CDLL(None).adjtimex(state) < 0:
        raise Bad("can't be asked", "", "warn")
    if int.from_bytes(state.raw[40:44], sys.byteorder) & UNSYNCHRONISED:
        raise Bad("not synchronised", "apt install systemd-timesyncd", "warn")
    ahead = trusted.ahead_of_wall().total_seconds()
    if abs(ahead) > MOST_AHEAD:
        raise Bad(
            f"synchronised, but graces end by a time that is {ahead:+.0f} s from it",
            "if the wall clock is right: manage.py clock --accept-wall", "warn",
        )  # fmt: skip
    return "synchronised"


def database() -> str:
    """The panel's database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise Bad(str(error).strip(), "check DDIWEB_DATABASE_URL, and that it runs") from error
    return f"{connection.vendor} answers"


def migrations() -> str:
    """Every migration is applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise Bad(f"{len(missing)} to apply", "manage.py migrate")
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
        raise Bad(f"does not answer ({type(error).__name__})", remedy) from error
    finally:
        client.close()
    return "answers"


def namespaces() -> str:
    """The sandbox and the tests can make network namespaces."""
    from lab import world

    if why := world.available():
        raise Bad(why, "only `make run`, `make call` and the tests need them", "warn")
    return "allowed"
