"""A private PostgreSQL cluster on a Unix socket, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import debian
from lab.errors import LabError
from lab.process import Process, wait_until

_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_MAX = 107  # unix(7), sun_path


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its socket folder (libpq's ``host``) and its superuser."""

    host: Path
    pid: int
    user: str = "postgres"

    def url(self, database: str = "postgres") -> str:
        """Return a libpq connection URI."""
        return f"postgresql://{self.user}@/{database}?host={self.host}"


def _as_nobody_special(argv: Sequence[str]) -> list[str]:
    """Return *argv* so that it does not see user 0, which PostgreSQL refuses to run as.

    In a user namespace this process's user is shown as 1000; files keep their real owner.
    """
    if os.geteuid() != 0:
        return list(argv)
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", *argv]


@contextlib.contextmanager
def postgres_cluster(folder: Path) -> Iterator[Cluster]:
    """Make a cluster in *folder* if there is none, run it, and stop it at the end.

    It listens on a Unix socket in *folder* alone (mode 0700), where everyone is trusted. It is not
    durable (fsync is off). Raises LabError when it cannot start; the log is ``postgres.log``.
    """
    from lab.tools import tool

    folder = folder.resolve()
    if len(str(folder / _SOCKET)) > _SOCKET_PATH_MAX:
        raise LabError(f"too long for a Unix socket: {folder}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        line = tool("initdb").line("-D", str(data), "-U", "postgres", "-A", "trust")
        line += ["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        debian.run(_as_nobody_special(line))
    (data / "postmaster.pid").unlink(missing_ok=True)  # of one that was killed with its parent
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "jit": "off",
        "timezone": "GMT",
        "log_timezone": "GMT",
    }
    line = tool("postgres").line("-D", str(data))
    for name, value in settings.items():
        line += ["-c", f"{name}={value}"]
    with Process.start(
        _as_nobody_special(line),
        log=folder / "postgres.log",
        name="postgres",
        stop_signal=signal.SIGINT,  # fast shutdown: SIGTERM would wait for the clients
    ) as server:
        _wait_ready(server, folder)
        yield Cluster(folder, server.pid)


def _wait_ready(server: Process, folder: Path) -> None:
    from lab.tools import tool

    probe = tool("pg_isready").line("-q", "-h", str(folder))

    def ready() -> bool:
        if not server.alive():
            tail = (folder / "postgres.log").read_text(errors="replace").splitlines()[-3:]
            raise LabError("postgres ended: " + " | ".join(tail))
        if not (folder / _SOCKET).exists():
            return False
        return subprocess.run(probe, check=False, timeout=10).returncode == 0

    wait_until(ready, 20, "postgres answers")
