"""Programs for the lab: the system's own, else from a private tree of Debian packages.

A private tree is ``var/tools/<name>-<digest>``; its programs are started through the tree's own
dynamic loader with the tree's own libraries (ld.so(8), ``--library-path``), so that they depend on
nothing of the machine but the kernel.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import debian
from lab.errors import LabError
from lab.postgres import Cluster, postgres_cluster
from lab.trees import TREES, loader

__all__ = ["Cluster", "Command", "LabError", "asterisk_paths", "postgres_cluster", "tool", "tree"]

PRIVATE_VARIABLE = "DDIWEB_LAB_PRIVATE_TOOLS"
FOLDER_VARIABLE = "DDIWEB_LAB_TOOLS"
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
_POSTGRES = "usr/lib/postgresql/15/bin"


@dataclass(frozen=True)
class Tool:
    """A program in a tree: its path there (a glob), and variables that name its parts.

    In *variables* ``{lib}`` stands for the tree's library folder. A *script* of the tree starts the
    loader itself.
    """

    name: str
    tree: str
    program: str
    variables: tuple[tuple[str, str], ...] = ()
    script: bool = False


@dataclass(frozen=True)
class Command:
    """How to start a program: arguments, variables it needs, and the root its files lie under."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    root: Path = Path("/")

    def line(self, *arguments: str) -> list[str]:
        """Return the whole argument list."""
        return [*self.argv, *arguments]

    def environ(self) -> dict[str, str]:
        """Return this process's environment with the program's own variables."""
        return os.environ | self.env


def _xtables(backend: str) -> list[Tool]:
    """The multi-call binary of a backend; it looks at the name that it is called by."""
    program = f"usr/sbin/xtables-{backend}-multi"
    variables = (("XTABLES_LIBDIR", "{lib}/xtables"),)
    return [
        Tool(f"{family}-{backend}{suffix}", "net", program, variables)
        for family in ("iptables", "ip6tables")
        for suffix in ("", "-restore", "-save")
    ]


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("asterisk", "asterisk", "usr/sbin/asterisk"),
        *_xtables("nft"),
        *_xtables("legacy"),
        Tool(
            "xtables-monitor",
            "net",
            "usr/sbin/xtables-nft-multi",
            (("XTABLES_LIBDIR", "{lib}/xtables"),),
        ),
        Tool("ipset", "net", "usr/sbin/ipset"),
        Tool("conntrack", "net", "usr/sbin/conntrack"),
        Tool("tcpdump", "net", "usr/bin/tcpdump"),
        Tool("ip", "net", "bin/ip"),
        Tool("nmap", "scan", "usr/bin/nmap", (("NMAPDIR", "{lib}/../../share/nmap"),)),
        Tool("redis-server", "redis", "usr/bin/redis-server"),
        Tool("redis-cli", "redis", "usr/bin/redis-cli"),
        Tool("sipp", "sip", "usr/bin/sipp"),
        Tool("sipsak", "sip", "usr/bin/sipsak"),
        Tool("linphone-daemon", "linphone", "usr/bin/linphone-daemon", script=True),
        Tool("chromium", "chromium", "usr/bin/chromium", script=True),
        *(
            Tool(name, "postgres", f"{_POSTGRES}/{name}", script=True)
            for name in ("postgres", "initdb", "pg_ctl", "psql", "pg_isready", "pg_dump")
        ),
    )
}


def tools_folder() -> Path:
    """Folder of the private trees: ``var/tools`` of this checkout, or ``DDIWEB_LAB_TOOLS``."""
    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given) if given else Path(__file__).resolve().parent.parent / "var" / "tools"
    return folder.absolute()


def tree(name: str) -> Path:
    """Return the folder of the private tree *name*, unpacking it the first time."""
    wanted = TREES[name]
    path = tools_folder() / wanted.folder
    debian.unpack(wanted.suite, wanted.packages, path, skip=wanted.skipped, finish=wanted.finish)
    return path


def system_program(name: str) -> str | None:
    """Return the path of a program of the machine, administrators' folders included."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [os.environ.get("PATH", ""), *_SYSTEM_FOLDERS, *map(str, servers)]
    return shutil.which(name, path=os.pathsep.join(folders))


def tool(name: str) -> Command:
    """Return how to start *name*; the system's own unless ``DDIWEB_LAB_PRIVATE_TOOLS=1``.

    Raises LabError when the machine has none and a private one cannot be had.
    """
    return _tool(name, os.environ.get(PRIVATE_VARIABLE) == "1", tools_folder())


@functools.cache
def _tool(name: str, private: bool, _folder: Path) -> Command:
    wanted = TOOLS.get(name)
    found = system_program(name)
    if found and (wanted is None or not private) and _fits(name, found):
        return Command((found,))
    if wanted is None:
        raise LabError(f"{name}: not found on this machine, and the lab has no package for it")
    return _private(wanted, tree(wanted.tree))


def _fits(name: str, program: str) -> bool:
    # The configuration is written for one major version.
    return name != "asterisk" or debian.run([program, "-V"]).startswith("Asterisk 22.")


def _private(wanted: Tool, root: Path) -> Command:
    program = root / wanted.program
    if not program.exists():
        raise LabError(f"{wanted.program} is not in {root.name}: remove the tree and try again")
    if wanted.script:
        return Command((str(program),), {}, root)
    found, folders = loader(root)
    library = next(iter(root.glob("usr/lib/*-linux-gnu*")), found.parent)
    env = {key: value.format(lib=library) for key, value in wanted.variables}
    start = (str(found), "--library-path", ":".join(map(str, folders)), "--argv0", wanted.name)
    return Command((*start, str(program)), env, root)


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


def fetch(names: Sequence[str]) -> None:
    """Have the programs *names* at hand, so that nothing waits for a download later."""
    for name in names:
        tool(name)


def remove_stale() -> list[Path]:
    """Remove trees that no tool uses any more (of older versions of this list); return them."""
    wanted = {entry.folder for entry in TREES.values()}
    names = tuple(f"{name}-" for name in TREES)
    folders = tools_folder().glob("*-*") if tools_folder().is_dir() else ()
    stale = [path for path in folders if path.name.startswith(names) and path.name not in wanted]
    for path in stale:
        shutil.rmtree(path)
    return stale


def main() -> int:
    """``python -m lab.tools [NAME …]``: fetch these programs (all), print how each is started."""
    parser = argparse.ArgumentParser(prog="python -m lab.tools", description="the lab's programs")
    parser.add_argument("names", nargs="*", metavar="NAME", help="program; none means all")
    parser.add_argument("--prune", action="store_true", help="remove trees that nothing uses")
    given = parser.parse_args()
    try:
        for name in given.names or sorted(TOOLS):
            print(f"{name}: {tool(name).argv[-1]}")
    except LabError as error:
        print(f"lab.tools: {error}", file=sys.stderr)
        return 1
    for path in remove_stale() if given.prune else ():
        print(f"removed {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
