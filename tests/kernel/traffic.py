"""Numbered datagrams at a steady rate, and a receiver that says which of them arrived.

`python -m tests.kernel.traffic send` reads its streams as one JSON line, sends until its standard
input ends and prints how many packets each stream sent. `… receive` binds the given ports, prints
`ready`, counts until its input ends and prints what it got by stream. A packet is its stream's
payload with ten hexadecimal digits of a serial number behind the last `#`.
"""

import json
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICK = 0.004  # seconds between bursts
_INET = {4: socket.AF_INET, 6: socket.AF_INET6}
_BUFFER = 4_000_000


@dataclass
class Stream:
    """One sender: where from, where to, what, and how many packets a second."""

    name: str
    socket: socket.socket
    to: tuple[str, int]
    parts: list[bytes]
    rate: float
    sent: int = 0

    def burst(self, due: int) -> None:
        """Send until `due` packets have been sent in all."""
        while self.sent < due:
            part = self.parts[self.sent % len(self.parts)]
            data = part + f"\r\nX: {self.name}#{self.sent:010x}".encode()
            try:
                self.socket.sendto(data, self.to)
            except (BlockingIOError, ConnectionRefusedError):
                continue
            self.sent += 1


def open_socket(family: int, address: str, port: int) -> socket.socket:
    """A UDP socket of one family; several may share an address and port."""
    made = socket.socket(_INET[family], socket.SOCK_DGRAM)
    if family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    return made


def send(streams: list[dict[str, Any]]) -> dict[str, int]:
    """Send all streams side by side until standard input ends; returns the packets by stream."""
    made = [
        Stream(
            one["name"],
            open_socket(one["family"], one["source"], one.get("port", 0)),
            (one["to"], one["to_port"]),
            [part.encode() for part in one["parts"]],
            one["rate"],
        )
        for one in streams
    ]
    begun = time.monotonic()
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], TICK)[0]:
        now = time.monotonic() - begun
        for stream in made:
            # After a pause of this process it goes on at its rate: no burst to make up for it.
            due = int(now * stream.rate)
            if due - stream.sent > stream.rate / 5:
                begun = time.monotonic() - min(one.sent / one.rate for one in made)
                break
            stream.burst(due)
    return {stream.name: stream.sent for stream in made}


def receive(ports: list[list[int]]) -> dict[str, Any]:
    """Count what arrives by stream; `dropped` is what the sockets' own buffers had no room for."""
    sockets = [open_socket(family, "", port) for family, port in ports]
    for one in sockets:
        one.setblocking(False)
    seen: dict[str, set[int]] = {}
    print("ready", flush=True)
    ended: float | None = None
    while ended is None or time.monotonic() < ended:
        for one in select.select(
            [*sockets, sys.stdin][: None if ended is None else -1], [], [], 0.1
        )[0]:
            if one is sys.stdin:
                ended = time.monotonic() + 0.5  # what is on its way
                continue
            _take(one, seen)
    return {
        "got": {name: len(numbers) for name, numbers in seen.items()},
        "dropped": sum(map(_dropped, sockets)),
    }


def _take(one: socket.socket, seen: dict[str, set[int]]) -> None:
    try:
        while True:
            data = one.recv(70_000)
            head, _, number = data.rpartition(b"#")
            name = head.rpartition(b" ")[2].decode("ascii", "replace")
            seen.setdefault(name, set()).add(int(number, 16))
    except (BlockingIOError, ValueError):
        return


def _dropped(one: socket.socket) -> int:
    """The `drops` column of /proc/net/udp (proc(5)) of this socket."""
    inode = str(Path(f"/proc/self/fd/{one.fileno()}").readlink()).partition("[")[2].rstrip("]")
    table = Path("/proc/net/udp" if one.family == socket.AF_INET else "/proc/net/udp6")
    for line in table.read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[9] == inode:
            return int(words[-1])
    return 0


def main() -> None:
    """Do what the first argument says with the JSON of the first line."""
    told = json.loads(sys.stdin.readline())
    done = send(told) if sys.argv[1] == "send" else receive(told)
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
