"""The ports target: the files of ``ports.py``, there before Asterisk is started anew.

Nothing here touches a running Asterisk. What waits for its restart is said in the plan and by the
node itself (``Node.restart_owed``).
"""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan
from peers import files
from peers.realtime.ports import Ports

_FENCE = "ports.fence"
_WORDS = {
    "pjsip_ports.conf": "~ SIP port {0.sip}",
    "rtp_ports.conf": "~ RTP ports {0.rtp_first} to {0.rtp_last}",
    "iax_ports.conf": "~ IAX2 port {0.iax}",
}


@dataclass(frozen=True)
class Desired:
    """What should be written."""

    ports: Ports


class PortsTarget:
    """The ports of one node, for its next start."""

    name = "ports"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(settings.TLS_DIR)

    def hurries(self, node: Node) -> bool:
        """Nothing: it waits for a restart."""
        return False

    def hurry(self, node: Node, fence: int) -> None:
        """Nothing."""

    def render(self, node: Node) -> Desired:
        """Return the ports of the newest generation."""
        return Desired(Ports(node.sip_port, node.rtp_first, node.rtp_last, node.iax_port))

    def read(self, node: Node) -> dict[str, str]:
        """Return the files that are there."""
        return {} if node.dry_run else {name: files.read(self.folder / name) for name in _WORDS}

    def as_applied(self, node: Node, actual: dict[str, str]) -> bool:
        """Only a comparison can tell."""
        return False

    def diff(self, node: Node, desired: Desired, actual: dict[str, str]) -> Plan:
        """Name each port that is not written, and that it waits."""
        wanted = desired.ports.files()
        lines = tuple(
            words.format(desired.ports) + ": for the next start of Asterisk"
            for name, words in _WORDS.items()
            if actual.get(name, "") != wanted[name]
        )
        return Plan(lines, None)

    def apply(self, node: Node, desired: Desired, plan: Plan, fence: int) -> None:
        """Write them; raises Refused for a lower fence than one seen before."""
        self._write(desired.ports.files(), fence)

    def _write(self, wanted: dict[str, str], fence: int) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if fence < int(files.read(self.folder / _FENCE) or 0):
                raise Refused(f"files of ports: a newer worker than fence {fence} was here")
            for name, text in {_FENCE: str(fence), **wanted}.items():
                files.replace(self.folder / name, text)
        except OSError as error:
            why = f"{self.folder} can't be written: {error.strerror}"
            raise Retryable(f"files of ports: {why}") from error

    def verify(self, node: Node, desired: Desired) -> list[str]:
        """Read back."""
        return list(self.diff(node, desired, self.read(node)).lines)

    def restore(self, node: Node, before: dict[str, str], fence: int) -> None:
        """Put the files back that were there before."""
        self._write(before, fence)

    def shut(self, node: Node, fence: int) -> None:
        """Nothing: no phone depends on it."""

    def settle(self, node: Node, desired: Desired) -> None:
        """Nothing: what Asterisk listens on is asked (``listening.py``)."""
