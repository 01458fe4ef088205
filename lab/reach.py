"""Connect to, or listen on, an address that exists only inside a namespace, from outside it.

The connection is made by a helper in the namespace, which hands the open socket back over a Unix
socket (unix(7), SCM_RIGHTS): a socket keeps the namespace in which it was made.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the helper, this very file, runs without the package
    from lab.process import Namespace


def connect(ns: Namespace, address: tuple[str, int], timeout: float) -> socket.socket:
    """Return a TCP connection to *address* made in *ns*; raises OSError."""
    return _made(ns, address, timeout)


def _made(ns: Namespace, address: tuple[str, int], timeout: float) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    helper = [
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__)),
        address[0],
        str(address[1]),
        str(timeout),
    ]
    with ours, theirs:
        done = subprocess.run(
            ns.argv(helper),
            stdin=theirs.fileno(),
            capture_output=True,
            text=True,
            timeout=timeout + 5,
            check=False,
        )
        if done.returncode:
            raise ConnectionRefusedError(
                done.returncode, f"{address}: {done.stderr.strip()[-200:]}"
            )
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=descriptors[0])


def listen(ns: Namespace, address: tuple[str, int]) -> socket.socket:
    """Return a TCP socket that listens on *address* in *ns*; raises OSError."""
    return _made(ns, address, 0.0)


def main() -> int:
    """Connect, or listen (timeout 0), and hand the socket to the other end of standard input."""
    host, port, timeout = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    try:
        if timeout:
            made = socket.create_connection((host, port), timeout)
        else:
            made = socket.create_server((host, port))
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    with socket.socket(fileno=os.dup(0)) as channel:
        socket.send_fds(channel, [b"+"], [made.fileno()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
