"""A pair of hands in a namespace: line-JSON commands on stdin, sockets as asked, answers on stdout.

Run as `python -m tests.kernel.probe` within the namespace; it ends with its standard input.
"""

import base64
import contextlib
import json
import select
import socket
import sys
import time
from typing import Any

_SOCKETS: dict[str, socket.socket] = {}
_INET = {4: socket.AF_INET, 6: socket.AF_INET6}


def bind(name: str, family: int, address: str = "", port: int = 0, options: str = "") -> int:
    """Open a UDP socket; returns its port. `options`: an IPv6 destination options header."""
    made = socket.socket(_INET[family], socket.SOCK_DGRAM)
    if family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    if options:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, base64.b64decode(options))
    made.bind((address, port))
    _SOCKETS[name] = made
    found: int = made.getsockname()[1]
    return found


def listen(name: str, family: int, port: int) -> int:
    """Open a listening TCP socket."""
    made = socket.socket(_INET[family], socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(("", port))
    made.listen(64)
    _SOCKETS[name] = made
    return port


def send(name: str, to: list[Any], data: str) -> int:
    """Send a datagram."""
    return _SOCKETS[name].sendto(base64.b64decode(data), (to[0], to[1]))


def receive(name: str, until: str, wait: float) -> list[list[Any]]:
    """Datagrams up to the one that is `until` (not included), or what came within `wait` s."""
    end = base64.b64decode(until)
    found: list[list[Any]] = []
    deadline = time.monotonic() + wait
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([_SOCKETS[name]], [], [], left)[0]:
            break
        data, sender = _SOCKETS[name].recvfrom(70_000)
        if end and data == end:
            break
        found.append([sender[0], sender[1], base64.b64encode(data).decode()])
    return found


def connect(family: int, to: list[Any], source: str = "", wait: float = 0.3) -> str:
    """What a TCP connect meets: open, refused or silence."""
    with socket.socket(_INET[family], socket.SOCK_STREAM) as made:
        made.settimeout(wait)
        try:
            if source:
                made.bind((source, 0))
            made.connect((to[0], to[1]))
        except TimeoutError:
            return "silence"
        except OSError as error:
            return "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
        return "open"


def hold(name: str, family: int, to: list[Any], source: str = "") -> int:
    """Open a TCP connection and keep it."""
    made = socket.socket(_INET[family], socket.SOCK_STREAM)
    made.settimeout(2)
    if source:
        made.bind((source, 0))
    made.connect((to[0], to[1]))
    _SOCKETS[name] = made
    return made.fileno()


def say(name: str) -> int:
    """Send a byte on a held connection."""
    return _SOCKETS[name].send(b".")


def close(name: str) -> None:
    """Close a socket."""
    _SOCKETS.pop(name).close()


def main() -> None:
    """Answer until the input ends."""
    actions = {f.__name__: f for f in (bind, listen, send, receive, connect, hold, say, close)}
    for line in sys.stdin:
        request = json.loads(line)
        action: Any = actions[request.pop("do")]
        answer: dict[str, Any] = {"ok": False}
        try:
            answer = {"ok": True, "value": action(**request)}
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
