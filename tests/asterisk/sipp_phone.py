"""sipp as a phone: it registers, answers at the same port, and sends all audio back.

It never speaks first, so it has a public address: through a NAT the audio would not find it.
"""

from pathlib import Path

from lab import sipp
from lab.process import Namespace, Stopping
from lab.vendor import SERVER

ADDRESS, PORT = "203.0.113.67", 5099


class SippPhone(Stopping):
    """A context manager; ``agent`` is its User-Agent, with the token."""

    def __init__(self, ns: Namespace, folder: Path, agent: str) -> None:
        self._ns, self._folder, self._agent = ns, folder, agent
        self._answering: sipp.Sipp | None = None

    def register(self, user: str, password: str) -> int:
        """Register, and answer from then on; returns the status."""
        trace = sipp.run(
            self._ns, self._folder, "register", address=ADDRESS, port=PORT,
            target=f"{SERVER}:5060", keys={"user": user, "agent": self._agent},
            login=(user, password),
        )  # fmt: skip
        self._answering = sipp.Sipp(
            self._ns, self._folder, "answer", address=ADDRESS, port=PORT, calls=100,
            timeout=120, echo=True,
        )  # fmt: skip
        self._answering.start()
        sipp.settle()
        return trace.statuses[-1] if trace.statuses else 0

    def stop(self) -> None:
        """Answer no more."""
        if self._answering is not None:
            self._answering.stop()
