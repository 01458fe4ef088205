"""The sounds target: files that Asterisk plays, there before a row names them.

Files of sounds that are gone stay for an hour: a call may be hearing one. So nothing here is ever
to be put back, and an older worker can do no harm.
"""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan
from peers.sound_models import Sound
from peers.sounds.files import SoundFolder


@dataclass(frozen=True)
class Desired:
    """The files that should be there: key and id of the sound."""

    files: tuple[tuple[str, int], ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """Their names."""
        return frozenset(key for key, _ in self.files)


class SoundsTarget:
    """The sounds of one node."""

    name = "sounds"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = SoundFolder(folder or Path(settings.SOUNDS_DIR))

    def hurries(self, node: Node) -> bool:
        """Nothing: nobody is cut off by a sound."""
        return False

    def hurry(self, node: Node, fence: int) -> None:
        """Nothing."""

    def render(self, node: Node) -> Desired:
        """Return what the newest generation plays."""
        rows = Sound.objects.filter(node=node).exclude(digest="").order_by("pk")
        return Desired(tuple((row.key, row.pk) for row in rows))

    def read(self, node: Node) -> frozenset[str]:
        """Return what is there."""
        return frozenset() if node.dry_run else self.folder.read()

    def as_applied(self, node: Node, actual: frozenset[str]) -> bool:
        """Only a comparison can tell."""
        return False

    def diff(self, node: Node, desired: Desired, actual: frozenset[str]) -> Plan:
        """Name the files that are missing."""
        missing = [(key, pk) for key, pk in desired.files if key not in actual]
        return Plan(tuple(f"+ sound {key}" for key, _ in missing), missing)

    def apply(self, node: Node, desired: Desired, plan: Plan, fence: int) -> None:
        """Write them. One that was changed meanwhile has another name: verify will miss it."""
        for key, pk in plan.payload:
            sound = Sound.objects.defer(None).filter(pk=pk).first()
            if sound is not None and sound.key == key:
                self.folder.write(key, bytes(sound.audio))

    def verify(self, node: Node, desired: Desired) -> list[str]:
        """Read the folder back."""
        return list(self.diff(node, desired, self.read(node)).lines)

    def restore(self, node: Node, before: frozenset[str], fence: int) -> None:
        """Nothing: what was there is there still."""

    def shut(self, node: Node, fence: int) -> None:
        """Nothing."""

    def settle(self, node: Node, desired: Desired) -> None:
        """Remove what nothing names any more."""
        self.folder.keep(desired.keys)
