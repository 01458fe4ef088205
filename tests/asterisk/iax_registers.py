"""A phone of one socket that registers with IAX2, and sends what a slow network makes phones send.

``python -m tests.asterisk.iax_registers USER KIND…`` prints the answer to each: ``register``;
``again``, which sends its request three times as if no answer came; ``leave``. The password comes
by standard input.
"""

import hashlib
import socket
import struct
import sys
from collections.abc import Iterator

SERVER = ("203.0.113.10", 4569)
#: Subclasses and information elements of RFC 5456 (8.4 and 8.6); a call token is Asterisk's own.
ACK, REGREQ, REGAUTH, REGACK, REGREJ, REGREL, TOKEN_IS = 4, 13, 14, 15, 16, 17, 40
USERNAME, CHALLENGE, MD5, REFRESH, CALL_TOKEN = 6, 15, 16, 19, 54
#: That a full frame is sent once more (8.1.1).
AGAIN = 0x8000
SECONDS = 5.0


def _element(kind: int, data: bytes) -> bytes:
    return bytes((kind, len(data))) + data


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        yield data[0], data[2 : 2 + data[1]]
        data = data[2 + data[1] :]


class Phone:
    """One socket; each exchange is a call of its own."""

    def __init__(self, user: str, password: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(SERVER)
        self.socket.settimeout(SECONDS)
        self.password = password.encode()
        self.asks = _element(USERNAME, user.encode()) + _element(REFRESH, b"\0\x3c")
        self.call = 0

    def say(
        self, there: int, counts: tuple[int, int], subclass: int, elements: bytes = b""
    ) -> None:
        """Send a full frame; ``counts`` are its own and the one that is expected."""
        head = struct.pack("!HHIBBBB", 0x8000 | self.call, there, 3, *counts, 6, subclass)
        self.socket.send(head + elements)

    def ask(self, subclass: int, times: int = 1) -> str:
        """Register or leave; returns how the node answered."""
        self.call += 1
        self.say(0, (0, 0), subclass, self.asks + _element(CALL_TOKEN, b""))
        token_came = False
        while True:
            data = self.socket.recv(4096)
            there, here, _, theirs, _, _, answer = struct.unpack("!HHIBBBB", data[:12])
            told, there = dict(_elements(data[12:])), there & 0x7FFF
            if here & 0x7FFF != self.call:
                continue
            if answer == TOKEN_IS and not token_came:
                token_came = True
                asks = self.asks + _element(CALL_TOKEN, told[CALL_TOKEN])
                for again in range(times):
                    self.say(AGAIN if again else 0, (0, 0), subclass, asks)
            elif answer == REGAUTH:
                proof = hashlib.md5(told[CHALLENGE] + self.password).hexdigest()  # noqa: S324
                asks = self.asks + _element(MD5, proof.encode())
                self.say(there, (1, theirs + 1), subclass, asks)
            elif answer in (REGACK, REGREJ):
                self.say(there, (2, theirs + 1), ACK)
                return "taken" if answer == REGACK else "refused"


def main() -> None:
    """Do what the arguments name."""
    phone = Phone(sys.argv[1], sys.stdin.readline().strip())
    for kind in sys.argv[2:]:
        subclass = REGREL if kind == "leave" else REGREQ
        print(phone.ask(subclass, 3 if kind == "again" else 1), flush=True)


if __name__ == "__main__":
    main()
