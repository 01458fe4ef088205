"""The folder from which Asterisk plays sounds. Names tell contents: a file never changes.

No Django here.
"""

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from ddiweb.deploy.errors import Refused, Retryable

_FILE = re.compile(r"\A(sound_[1-9][0-9]{0,17}-([0-9a-f]{16}))\.wav\Z")
#: Asterisk's group reads it.
FILE_MODE = 0o640
#: Seconds for which a file that no row names any more is kept: a call may be hearing it.
KEPT = 3600.0


class SoundFolder:
    """Files named ``sound_<id>-<digest>.wav``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, tuple[tuple[int, int, int], bool]] = {}

    def read(self) -> frozenset[str]:
        """Return the keys of files that hold what their names say; raises Retryable."""
        found = set()
        try:
            entries = list(os.scandir(self.path)) if self.path.is_dir() else []
            for entry in entries:
                match = _FILE.match(entry.name)
                if match and entry.is_file(follow_symlinks=False) and self._whole(entry, match[2]):
                    found.add(match[1])
        except OSError as error:
            raise Retryable(f"sounds: {self.path} can't be read: {error}") from error
        return frozenset(found)

    def _whole(self, entry: "os.DirEntry[str]", digest: str) -> bool:
        stat = entry.stat(follow_symlinks=False)
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        known = self._known.get(entry.name)
        if known is None or known[0] != mark:
            same = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest().startswith(digest)
            known = self._known[entry.name] = (mark, same)
        return known[1]

    def write(self, key: str, audio: bytes) -> None:
        """Write one file, whole or not at all; raises Refused for another name, Retryable."""
        if not _FILE.match(f"{key}.wav"):
            raise Refused("sounds: a file's name has not the form that is needed; save it anew")
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o750)
            draft = self.path / f".{key}.new"
            draft.unlink(missing_ok=True)
            with draft.open("xb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(audio)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / f"{key}.wav")
        except OSError as error:
            raise Retryable(f"sounds: {self.path} can't be written: {error}") from error

    def keep(self, keys: frozenset[str]) -> None:
        """Remove files of other sounds that have been there for ``KEPT`` seconds."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.path):
                match = _FILE.match(entry.name)
                old = entry.stat(follow_symlinks=False).st_mtime < time.time() - KEPT
                if match and match[1] not in keys and old:
                    Path(entry.path).unlink()
