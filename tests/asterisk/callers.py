"""Many SIP requests from one socket, byte for byte as they are given, and how each was answered.

``python -m tests.asterisk.callers ADDRESS`` in a namespace. One JSON line a request on standard
input, ``{"id": …, "text": …}`` (a character a byte); one an end on standard output,
``{"id": …, "status": …}``, 0 for silence. The id is the branch of the request's Via.
Calls are acknowledged, and hung up if somebody took them.
"""

import contextlib
import json
import re
import socket
import sys
import time
from dataclasses import dataclass, field

SERVER = ("203.0.113.10", 5060)
#: Requests under way at once, and seconds that each is given.
WINDOW, PATIENCE = 16, 4.0
_STATUS = re.compile(rb"\ASIP/2\.0 ([1-6][0-9]{2}) ")
_BRANCH = re.compile(rb"branch=z9hG4bK([A-Za-z0-9]+)")
_CSEQ = re.compile(rb"(?im)^cseq[ \t]*:[ \t]*([0-9]+)[ \t]+([A-Z]+)")
_NEEDED = (b"via:", b"from:", b"to:", b"call-id:")


@dataclass
class Callers:
    """The requests that wait for their ends."""

    line: socket.socket
    here: str
    open: dict[str, float] = field(default_factory=dict)
    ends: list[tuple[str, int]] = field(default_factory=list)

    def send(self, name: str, text: str) -> None:
        """Send one request."""
        self.line.sendto(text.encode("latin-1"), SERVER)
        self.open[name] = time.monotonic() + PATIENCE

    def listen(self, seconds: float) -> None:
        """Take answers for a while; give up on what is silent for too long."""
        until = time.monotonic() + seconds
        while self.open and (left := until - time.monotonic()) > 0:
            self.line.settimeout(left)
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                self._take(self.line.recv(65_535))
            now = time.monotonic()
            for name in [name for name, end in self.open.items() if end < now]:
                self._end(name, 0)

    def _take(self, data: bytes) -> None:
        status, branch, sequence = _STATUS.match(data), _BRANCH.search(data), _CSEQ.search(data)
        if not status or not branch or not sequence or int(status[1]) < 200:
            return
        name = branch[1].decode()
        if sequence[2] == b"INVITE":
            self._follow("ACK", data, int(sequence[1]))
            if status[1] == b"200":
                self._follow("BYE", data, int(sequence[1]) + 1)
        if name in self.open:
            self._end(name, int(status[1]))

    def _follow(self, method: str, answer: bytes, sequence: int) -> None:
        """Send an ACK or a BYE with the answer's own headers (RFC 3261, 17.1.1.3)."""
        kept = [one for one in answer.split(b"\r\n") if one.lower().startswith(_NEEDED)]
        lines = [
            f"{method} sip:{SERVER[0]} SIP/2.0".encode(),
            *kept,
            f"CSeq: {sequence} {method}".encode(),
            b"Max-Forwards: 70",
            b"Content-Length: 0",
        ]
        self.line.sendto(b"\r\n".join([*lines, b"", b""]), SERVER)

    def _end(self, name: str, status: int) -> None:
        del self.open[name]
        print(json.dumps({"id": name, "status": status}), flush=True)


def main() -> None:
    """Send all that comes in, a window at a time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((sys.argv[1], 5060))
        callers = Callers(line, sys.argv[1])
        for text in sys.stdin:
            wish = json.loads(text)
            while len(callers.open) >= WINDOW:
                callers.listen(0.02)
            callers.send(wish["id"], wish["text"])
            callers.listen(0.005)
        while callers.open:
            callers.listen(0.5)


if __name__ == "__main__":
    main()
