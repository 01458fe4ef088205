"""A pair of hands in a namespace: line-JSON commands on stdin, sockets as asked, answers on stdout.

Run as `python -m tests.kernel.probe` within the namespace; it ends with its standard input.
"""

import base64
import contextlib
import json
import select
import socket
import struct
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


def taken(name: str, wait: float = 0.3) -> list[list[Any]]:
    """What the connections that `name` has accepted until now brought: their names and bytes."""
    deadline = time.monotonic() + wait
    while (left := deadline - time.monotonic()) > 0:
        if select.select([_SOCKETS[name]], [], [], left)[0]:
            made, peer = _SOCKETS[name].accept()
            made.setblocking(False)
            _SOCKETS[f"{name} {peer[0]} {peer[1]}"] = made
    own = [one for one in _SOCKETS if one.startswith(f"{name} ")]
    return [[one, read(one, 0)] for one in own]


def dial(name: str, to: list[Any], source: str, port: int = 0, early: str = "") -> int:
    """Begin a TCP connection; returns its own port. `early`: data for a TCP Fast Open."""
    made = socket.socket(_INET[6 if ":" in source else 4], socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # end by RST
    made.bind((source, port))
    if early:
        made.sendto(base64.b64decode(early), socket.MSG_FASTOPEN, (to[0], to[1]))
    else:
        made.settimeout(2)
        made.connect((to[0], to[1]))
    _SOCKETS[name] = made
    found: int = made.getsockname()[1]
    return found


def write(name: str, data: str) -> None:
    """Send on a TCP connection."""
    _SOCKETS[name].sendall(base64.b64decode(data))


def read(name: str, wait: float = 1.0) -> str:
    """What came on a TCP connection within `wait` seconds, as far as it is there."""
    found = b""
    with contextlib.suppress(BlockingIOError, ConnectionResetError):
        while select.select([_SOCKETS[name]], [], [], 0 if found else wait)[0]:
            part = _SOCKETS[name].recv(65_536)
            found += part
            if not part:
                break
    return base64.b64encode(found).decode()


def vanish(name: str) -> None:
    """Forget a TCP connection without a word to the other side (TCP_REPAIR), as a crash does."""
    _SOCKETS[name].setsockopt(socket.IPPROTO_TCP, 19, 1)
    close(name)


def option(name: str, level: int, key: int, value: int) -> None:
    """Set an option of a socket."""
    _SOCKETS[name].setsockopt(level, key, value)


def close(name: str) -> None:
    """Close a socket."""
    _SOCKETS.pop(name).close()


def forget() -> None:
    """Reset each TCP connection that was dialled."""
    for name in [name for name, one in _SOCKETS.items() if one.type == socket.SOCK_STREAM]:
        close(name)


def main() -> None:
    """Answer until the input ends."""
    verbs = (bind, listen, send, receive, connect, close, taken, dial, write, read, vanish, option)
    verbs += (forget, hold, say)
    actions = {verb.__name__: verb for verb in verbs}
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
