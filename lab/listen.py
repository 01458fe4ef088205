"""A server that greets and hangs up: it stands for ssh on the sandbox's management port."""

from __future__ import annotations

import contextlib
import socket
import sys

GREETING = b"SSH-2.0-sandbox\r\n"


def main(port: int) -> None:
    """Serve *port*, IPv4 and IPv6, for ever."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        while True:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                client.sendall(GREETING)


if __name__ == "__main__":
    main(int(sys.argv[1]))
