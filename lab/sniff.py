"""What really went over a wire: every packet of ``eth0`` in a namespace, as text.

tcpdump would do, but Debian's insists on becoming a user that a namespace does not have.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # the helper, this very file, runs without the package
    from lab.process import Namespace, Process

START_TIMEOUT = 10.0
READY = "listening\n"
_ALL_PROTOCOLS = 3  # packet(7), ETH_P_ALL


class Sniffer:
    """Listens while in its context."""

    def __init__(self, ns: Namespace | None, folder: Path) -> None:
        self._ns = ns
        self._log = folder / "packets.txt"
        self._process: Process | None = None

    def text(self) -> str:
        """Return the packets so far."""
        return self._log.read_text(encoding="latin-1") if self._log.exists() else ""

    def count(self, words: str) -> int:
        """Return how often *words* stand in the packets so far."""
        time.sleep(0.1)  # the listener hears of a packet a little later than its receiver
        return self.text().count(words)

    def __enter__(self) -> Self:
        from lab.process import Process, wait_until

        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        line = [sys.executable, "-I", "-S", str(Path(__file__))]
        self._process = Process.start(line, log=self._log, ns=self._ns, name="sniffer")
        wait_until(lambda: READY in self.text(), START_TIMEOUT, "the sniffer listens")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.stop()


def main() -> None:
    """Write every packet of eth0, both ways, to standard output."""
    kind = socket.SOCK_RAW
    with socket.socket(socket.AF_PACKET, kind, socket.htons(_ALL_PROTOCOLS)) as wire:
        wire.bind(("eth0", 0))
        out = sys.stdout.buffer
        out.write(READY.encode())
        out.flush()
        while True:
            out.write(wire.recv(65_536) + b"\n")
            out.flush()


if __name__ == "__main__":
    main()
