"""The sandbox's settings: keys that are made once, and where its parts are.

Two files, both of mode 0600: ``var/ddiweb.env`` holds keys that outlive everything else,
``var/sandbox.env`` what belongs to the node of ``make run`` (paths, ports, the AMI secret).
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

NODE = "sandbox"
SOCKET_PATH_MAX = 107  # unix(7), sun_path


@dataclass(frozen=True)
class Places:
    """Where the sandbox keeps its things, all under *var*."""

    var: Path

    @property
    def keys(self) -> Path:
        """Keys of the panel."""
        return self.var / "ddiweb.env"

    @property
    def settings(self) -> Path:
        """Settings of the sandbox's node."""
        return self.var / "sandbox.env"

    @property
    def run(self) -> Path:
        """Sockets, locks and process ids."""
        return self.var / "run"

    @property
    def log(self) -> Path:
        """Logs, one a process."""
        return self.var / "log"

    @property
    def world(self) -> Path:
        """The namespaces' own folder, with world.json."""
        return self.var / "sandbox" / "world"

    @property
    def pbx(self) -> Path:
        """Asterisk's folders."""
        return self.var / "sandbox" / "asterisk"

    @property
    def redis_socket(self) -> Path:
        """Where Redis listens."""
        return self.run / "redis.sock"

    @property
    def agent_socket(self) -> Path:
        """Where the firewall agent listens."""
        return self.run / "agent.sock"

    @property
    def realtime(self) -> Path:
        """Asterisk's realtime database."""
        return self.var / "realtime.sqlite3"

    @property
    def state(self) -> Path:
        """What a running sandbox says of itself (sandbox.json)."""
        return self.run / "sandbox.json"


def places(root: Path) -> Places:
    """Return the places of a checkout, or of the folder ``DDIWEB_VAR``, with folders made.

    Raises LabError if the path is too long for the sockets in it.
    """
    found = Places(Path(os.environ.get("DDIWEB_VAR") or root / "var").resolve())
    if len(os.fsencode(found.agent_socket)) > SOCKET_PATH_MAX:
        room = SOCKET_PATH_MAX - len("/run/agent.sock")
        raise LabError(
            f"{found.var} is too long for Unix sockets: move the checkout, or set DDIWEB_VAR to a "
            f"folder whose path has at most {room} characters"
        )
    for folder in (found.var, found.run, found.log, found.world, found.pbx):
        folder.mkdir(parents=True, exist_ok=True)
    # The panel's database holds sessions, and is as readable as the umask of its maker makes it.
    for folder in (found.var, found.run, found.log, found.pbx.parent):
        folder.chmod(0o700)
    return found


def read(path: Path) -> dict[str, str]:
    """Return ``NAME=value`` lines of a file; nothing if there is none."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(path: Path, values: Mapping[str, str], title: str) -> None:
    """Write ``NAME=value`` lines, readable by their owner only; whole or not at all."""
    text = f"# {title}\n" + "".join(f"{name}={value}\n" for name, value in values.items())
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def ensure(where: Places) -> dict[str, str]:
    """Make what is missing in both files, keep what is there, and return all of it."""
    keys = read(where.keys)
    fresh = {
        "DDIWEB_SECRET_KEY": secrets.token_urlsafe(50),
        # A Fernet key: 32 random bytes in URL-safe base64.
        "DDIWEB_FIELD_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DDIWEB_HTTPS": "false",  # loopback only
    }
    if fresh.keys() - keys.keys():
        keys = fresh | keys
        write(where.keys, keys, "Made by `make run`. Without the keys, stored secrets are lost.")
    where.keys.chmod(0o600)
    settings = {
        "DDIWEB_NODE": NODE,
        "DDIWEB_REDIS_URL": f"unix://{where.redis_socket}",
        "DDIWEB_AGENT_SOCKET": str(where.agent_socket),
        "DDIWEB_REALTIME_URL": f"sqlite:///{where.realtime}",
        "DDIWEB_HEAR_EVERY": "4",  # a handful of tokens: asking costs nothing
        "DDIWEB_TLS_DIR": str(where.pbx / "tls"),
        "DDIWEB_ASTERISK_LOG": str(where.pbx / "log" / "messages"),
        "DDIWEB_CALL_RECORDS": str(where.pbx / "log" / "cdr-custom" / "ddiweb.csv"),
        "DDIWEB_SOUNDS_DIR": str(where.pbx / "sounds"),
        "DDIWEB_VOICEMAIL_DIR": str(where.pbx / "spool" / "voicemail"),
        "DDIWEB_AMI_HOST": "127.0.0.1",
        "DDIWEB_AMI_PORT": "5038",
        "DDIWEB_AMI_USERNAME": "ddiweb",
        "DDIWEB_AMI_SECRET": read(where.settings).get(
            "DDIWEB_AMI_SECRET", secrets.token_urlsafe(32)
        ),
    }
    if settings != read(where.settings):
        write(where.settings, settings, "Made anew by each `make run`: the sandbox's own node.")
    return keys | settings
