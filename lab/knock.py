"""``make knock``: open a new TCP connection from the sandbox's management network, and close it.

That is the proof which confirms a change on trial: what a second SSH session is on a real server.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab import beside, keys
from lab.errors import LabError
from lab.world import World

_CONNECT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3):
    print("a new connection to", sys.argv[1], "port", sys.argv[2])
"""


def _beside_us() -> Path:
    where = keys.places(beside.ROOT)
    if beside.state(where)["dry_run"]:
        raise LabError("the sandbox runs dry, without namespaces: there is nothing to knock at")
    return where.world


def main() -> int:
    """Exit 0 if the connection was made."""
    parser = argparse.ArgumentParser(prog="python -m lab.knock", description=__doc__)
    parser.add_argument("--world", type=Path, help="of another run than `make run`")
    parser.add_argument("--from", dest="place", default="admin", help="namespace to knock from")
    parser.add_argument("--port", type=int, default=22)
    given = parser.parse_args()
    try:
        world = World.attach(given.world or _beside_us())
        to = world.ns["srv"].ipv4[0].partition("/")[0]
        argv = [sys.executable, "-c", _CONNECT, to, str(given.port)]
        done = world.run(given.place, argv, check=False)
    except LabError as error:
        print(f"knock: {error}", file=sys.stderr)
        return 1
    if done.returncode:
        print(f"no connection from {given.place}: it is shut out")
    else:
        print(
            f"{done.stdout.strip()}; if a change is on trial, Confirm in the panel will keep it now"
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
