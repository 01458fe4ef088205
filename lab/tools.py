"""Programs for the lab: the system's own, else from a private tree of Debian packages.

A private tree is ``var/tools/<name>-<digest>``; its programs are started through the tree's own
dynamic loader with the tree's own libraries (ld.so(8), ``--library-path``), so that they depend on
nothing of the machine but the kernel.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from lab import debian
from lab.errors import LabError

PRIVATE_VARIABLE = "DDIWEB_LAB_PRIVATE_TOOLS"
FOLDER_VARIABLE = "DDIWEB_LAB_TOOLS"
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")

_PRUNE = (
    *(
        f"usr/share/{name}"
        for name in ("doc", "man", "info", "lintian", "perl", "bug", "bash-completion")
    ),
    *(
        "usr/share/locale",
        "usr/share/perl5",
        "usr/lib/*/perl*",
        "usr/lib/*/gconv",
        "usr/lib/systemd",
    ),
)
# Needed by maintainer scripts, which never run here.
_SKIP = (
    *("perl", "perl-base", "perl-modules-.*", "libperl.*", "adduser", "passwd", "debconf", "dpkg"),
    *("tar", "gpgv?", "gnupg.*", "apt", "init-system-helpers", "base-files", "lsb-base", "ucf"),
    *(
        "procps",
        "sysvinit-utils",
        "logrotate",
        "cron.*",
        "locales",
        "tzdata",
        "coreutils",
        "dbus.*",
    ),
    *(
        "systemd",
        "systemd-sysv",
        "login",
        "util-linux.*",
        "mount",
        "bsdutils",
        "openssl",
        "libpam.*-.*",
    ),
)


@dataclass(frozen=True)
class Tree:
    """One private tree: the packages that are asked for and the suite they come from."""

    name: str
    suite: str
    packages: tuple[str, ...]
    skip: tuple[str, ...] = _SKIP
    prune: tuple[str, ...] = _PRUNE
    links: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.packages:
            raise ValueError(f"tree {self.name} without packages")

    @property
    def path(self) -> Path:
        """Folder of the tree; a changed package list is another tree."""
        text = repr((self.suite, self.packages, self.skip, self.prune, self.links, debian.layout()))
        return tools_folder() / f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class Tool:
    """A program: its tree, its file in the tree, and what it needs to find its parts.

    *name* is what the system calls it; *program* the file in the tree; *arguments* stand first;
    *variables* are set for the program, ``{root}`` and ``{lib}`` stand for folders of the tree.
    """

    name: str
    tree: str
    program: str
    arguments: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Command:
    """How to start a program: arguments, additional variables, and the root its files lie under."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    root: Path = Path("/")

    def line(self, *arguments: str) -> list[str]:
        """Return the whole argument list."""
        return [*self.argv, *arguments]

    def environ(self) -> dict[str, str]:
        """Return this process's environment with the program's own variables."""
        return os.environ | self.env


TREES = {
    tree.name: tree
    for tree in (
        Tree(
            "asterisk",
            "forky",
            ("asterisk", "asterisk-core-sounds-en-gsm"),
            skip=(*_SKIP, "libsnmp.*", "libsensors.*", "libpci.*", "pci.ids", "libicu-dev"),
            prune=(*_PRUNE, "usr/lib/*/asterisk/modules/res_snmp.so"),
            links=(("usr/share/asterisk/sounds/en", "en_US_f_Allison"),),
        ),
    )
}

TOOLS = {tool.name: tool for tool in (Tool("asterisk", "asterisk", "usr/sbin/asterisk"),)}


def tools_folder() -> Path:
    """Folder of the private trees: ``var/tools`` of this checkout, or ``DDIWEB_LAB_TOOLS``."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parent.parent / "var" / "tools"


def tree(name: str) -> Path:
    """Return the folder of the private tree *name*, unpacking it the first time."""
    wanted = TREES[name]
    debian.unpack(
        wanted.suite,
        wanted.packages,
        wanted.path,
        skip=wanted.skip,
        prune=wanted.prune,
        links=wanted.links,
    )
    return wanted.path


def system_program(name: str) -> str | None:
    """Return the path of a program of the machine, administrators' folders included."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    return shutil.which(name, path=path)


def tool(name: str) -> Command:
    """Return how to start *name*; the system's own unless ``DDIWEB_LAB_PRIVATE_TOOLS=1``.

    Raises LabError when the machine has none and a private one cannot be had.
    """
    return _tool(name, os.environ.get(PRIVATE_VARIABLE) == "1", tools_folder())


@functools.cache
def _tool(name: str, private: bool, _folder: Path) -> Command:
    wanted = TOOLS.get(name)
    found = system_program(name)
    if found and (wanted is None or not private):
        return Command((found,))
    if wanted is None:
        raise LabError(f"{name}: not found on this machine, and the lab has no package for it")
    return _private(wanted, tree(wanted.tree))


def _private(wanted: Tool, root: Path) -> Command:
    program = root / wanted.program
    if not program.exists():
        raise LabError(f"{wanted.program} is not in {root.name}: remove the tree and try again")
    loader, folders = _loader(root)
    library_path = ":".join(map(str, folders))
    values = {"root": str(root), "lib": str(loader.parent)}
    return Command(
        (
            *(str(loader), "--library-path", library_path, "--argv0", wanted.name, str(program)),
            *(part.format(**values) for part in wanted.arguments),
        ),
        {key: value.format(**values) for key, value in wanted.variables},
        root,
    )


def _loader(root: Path) -> tuple[Path, list[Path]]:
    """Return a tree's dynamic loader and its library folders."""
    folders = [
        path for parent in ("usr/lib", "lib") for path in root.glob(f"{parent}/*-linux-gnu*")
    ]
    for folder in folders:
        for loader in folder.glob("ld-linux*.so.*"):
            return loader, folders
    raise LabError(f"no dynamic loader in {root.name}: remove the tree and try again")


@dataclass(frozen=True)
class AsteriskPaths:
    """What asterisk.conf must name: astmoddir, and the data folder (documentation XML, sounds)."""

    modules: Path
    data: Path


def asterisk_paths() -> AsteriskPaths:
    """Return the folders that belong to ``tool("asterisk")``."""
    root = tool("asterisk").root
    for modules in root.glob("usr/lib/*-linux-gnu*/asterisk/modules"):
        return AsteriskPaths(modules, root / "usr/share/asterisk")
    return AsteriskPaths(root / "usr/lib/asterisk/modules", root / "var/lib/asterisk")
