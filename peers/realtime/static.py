"""Asterisk's static configuration: templates of deploy/asterisk with their ``@NAME@`` filled in.

The lab and an installer use the same templates and the same checks. Rendering is all or nothing:
an unknown placeholder, a value left over or a value that could end a line is refused.
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ddiweb.deploy.errors import Refused
from peers.realtime.facts import NodeFacts
from peers.realtime.ports import idle_port
from peers.realtime.restarting import restart_secret
from peers.realtime.text import between, matches, refuse

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "deploy" / "asterisk"
#: The name under which the drivers know the database.
REALTIME_NAME = "ddiweb"
#: Asterisk's PostgreSQL driver keeps options in buffers of 64 bytes (res_config_pgsql.c).
PG_OPTION_MAX = 63
_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")
_PATH = re.compile(r"\A/[A-Za-z0-9 ._/+:=~-]+\Z")
_SECRET = re.compile(r"\A[A-Za-z0-9_-]{24,64}\Z")
_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,31}\Z")
_PG_WORD = re.compile(r"\A[A-Za-z0-9_./:@%+=-]{1,63}\Z")


@dataclass(frozen=True)
class Folders:
    """Where Asterisk finds its parts and keeps its own files; absolute paths."""

    etc: Path
    modules: Path
    data: Path
    state: Path
    spool: Path
    run: Path
    log: Path

    def __post_init__(self) -> None:
        for name in ("etc", "modules", "data", "state", "spool", "run", "log"):
            path = str(getattr(self, name))
            matches(f"folder {name}", _PATH, path, "use an absolute path of plain characters")


@dataclass(frozen=True)
class AmiTls:
    """AMI for a worker and a watch on another host: over TLS, from ``permit`` (a network) alone.

    ``certificate`` (with its chain) and ``key`` are PEM files that Asterisk can read.
    """

    bind: str
    port: int
    certificate: Path
    key: Path
    permit: str

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.bind)
            permitted = ipaddress.ip_network(self.permit)
        except ValueError:
            raise refuse("ami.tls", "names no address or network", "write both") from None
        if permitted.prefixlen == 0:
            raise refuse("ami.permit", "is everybody", "name a network")
        between("ami.tls_port", self.port, 1, 65535)
        for name in ("certificate", "key"):
            path = str(getattr(self, name))
            matches(f"ami.{name}", _PATH, path, "use an absolute path of plain characters")

    @property
    def lines(self) -> str:
        """For manager.conf, [general]."""
        bind = f"[{self.bind}]" if ":" in self.bind else self.bind
        return (
            f"tlsenable = yes\ntlsbindaddr = {bind}:{self.port}\n"
            f"tlscertfile = {self.certificate}\ntlsprivatekey = {self.key}"
        )


@dataclass(frozen=True)
class StaticConfig:
    """What the templates need. ``realtime_url`` as for ``open_store``, with Asterisk's role.

    ``tls`` is the folder with the certificate and its transports (``peers/tls/files.py``),
    ``sounds`` the one with announcements and greetings (``peers/sounds/files.py``);
    ``max_calls`` is Asterisk's hard limit of calls at once, 0 for none.
    """

    node: NodeFacts
    folders: Folders
    realtime_url: str = field(repr=False)
    ami_secret: str = field(repr=False)
    tls: Path
    sounds: Path
    ami_user: str = "ddiweb"
    ami_port: int = 5038
    names_port: int = 5050
    bind_ipv4: str = "0.0.0.0"  # noqa: S104 - the firewall decides who gets in
    bind_ipv6: str = "::"
    max_calls: int = 0
    ami_tls: AmiTls | None = None

    def __post_init__(self) -> None:
        matches("ami.user", _NAME, self.ami_user, "use small letters, digits and underscores")
        matches("ami.secret", _SECRET, self.ami_secret, "use 24 to 64 of A-Z a-z 0-9 _ -")
        between("ami.port", self.ami_port, 1, 65535)
        between("names_port", self.names_port, 1, 65535)
        matches("sounds", _PATH, str(self.sounds), "use an absolute path of plain characters")
        matches("tls", _PATH, str(self.tls), "use an absolute path of plain characters")
        between("max_calls", self.max_calls, 0, 100_000)
        for name, kind in (
            ("bind_ipv4", ipaddress.IPv4Address),
            ("bind_ipv6", ipaddress.IPv6Address),
        ):
            try:
                kind(getattr(self, name))
            except ValueError:
                raise refuse(name, "is not an address", "write one, or leave it out") from None


def render_static(config: StaticConfig, templates: Path = TEMPLATES) -> dict[str, str]:
    """Return file names and contents; only the realtime driver that is used has a file.

    Raises Refused for a value that has no safe place in a configuration file.
    """
    values = _values(config) | {"STATIC": version(templates)}
    drivers = {"res_config_sqlite3.conf": "sqlite3", "res_pgsql.conf": "pgsql"}
    rendered = {}
    for template in sorted(templates.glob("*.conf")):
        if drivers.get(template.name, values["REALTIME_DRIVER"]) == values["REALTIME_DRIVER"]:
            rendered[template.name] = _fill(template, values)
    if "extensions.conf" not in rendered:
        raise Refused(f"{templates}: no templates there; install ddiweb completely")
    return rendered


def version(templates: Path = TEMPLATES) -> str:
    """A name for this version of all templates; Asterisk tells the one that it was started with."""
    digest = hashlib.sha256()
    for template in sorted(templates.glob("*.conf")):
        digest.update(template.name.encode() + b"\0" + template.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def write_static(config: StaticConfig, templates: Path = TEMPLATES) -> None:
    """Write all files into ``folders.etc``, readable by their owner only: they hold secrets."""
    etc = config.folders.etc
    etc.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in render_static(config, templates).items():
        path = etc / f"{name}.new"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(content)
        path.replace(etc / name)


def _fill(template: Path, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise Refused(f"{template.name}: unknown placeholder {match[0]}; mend the template")
        return values[match[1]]

    return _PLACEHOLDER.sub(value, template.read_text())


def _values(config: StaticConfig) -> dict[str, str]:
    folders, node = config.folders, config.node
    return {
        "ETC_DIR": str(folders.etc),
        "MODULE_DIR": str(folders.modules),
        "DATA_DIR": str(folders.data),
        "STATE_DIR": str(folders.state),
        "SPOOL_DIR": str(folders.spool),
        "RUN_DIR": str(folders.run),
        "LOG_DIR": str(folders.log),
        "SOUNDS_DIR": str(config.sounds),
        "TLS_DIR": str(config.tls),
        "MAX_CALLS": str(config.max_calls),
        # Says neither what it is nor which version.
        "USER_AGENT": "PBX",
        "REALM": node.realm,
        "BIND_IPV4": config.bind_ipv4,
        "BIND_IPV6": config.bind_ipv6,
        "SIP_PORT": str(node.sip_port),
        "IAX_PORT": str(node.iax_port),
        # On loopback; not the SIP port, which all addresses have.
        "IDLE_PORT": str(idle_port(node.sip_port)),
        "RTP_FIRST": str(node.rtp_first),
        "RTP_LAST": str(node.rtp_last),
        "AMI_PORT": str(config.ami_port),
        "NAMES_PORT": str(config.names_port),
        "AMI_USER": config.ami_user,
        "AMI_SECRET": config.ami_secret,
        "AMI_RESTART_SECRET": restart_secret(config.ami_secret),
        "AMI_TLS": config.ami_tls.lines if config.ami_tls else "tlsenable = no",
        "AMI_PERMIT": f"permit = {config.ami_tls.permit}" if config.ami_tls else "",
        **_database(config.realtime_url),
    }


def _database(url: str) -> dict[str, str]:
    try:
        parts = urlsplit(url)
        standard = str(parts.port or 5432)
    except ValueError:
        raise refuse("realtime database", "is not a URL", "write postgresql://…") from None
    if parts.scheme == "sqlite":
        path = parts.path.removeprefix("/") if parts.path.startswith("//") else parts.path
        return {
            "REALTIME_DRIVER": "sqlite3",
            "REALTIME_MODULE": "res_config_sqlite3.so",
            "REALTIME_NAME": REALTIME_NAME,
            "SQLITE_FILE": matches("realtime database", _PATH, path, "use an absolute path"),
        }
    if parts.scheme not in ("postgresql", "postgres"):
        raise Refused("realtime database: the URL begins neither with sqlite: nor with postgresql:")
    # A folder as the host is a Unix socket (libpq, "host"); URLs give it as ?host=/folder.
    given = parse_qs(parts.query)
    host = given.get("host", [parts.hostname or "127.0.0.1"])[0]
    port = given.get("port", [standard])[0]
    values = {
        "PG_HOST": unquote(host),
        "PG_PORT": port,
        "PG_DATABASE": unquote(parts.path.removeprefix("/")),
        "PG_USER": unquote(parts.username or given.get("user", [""])[0]),
        "PG_PASSWORD": unquote(parts.password or ""),
    }
    for name, value in values.items():
        if value or name != "PG_PASSWORD":
            matches(name, _PG_WORD, value, f"at most {PG_OPTION_MAX} plain characters")
    return {
        "REALTIME_DRIVER": "pgsql",
        "REALTIME_MODULE": "res_config_pgsql.so",
        # The driver takes this name for a schema of the database.
        "REALTIME_NAME": "public",
        **values,
    }
