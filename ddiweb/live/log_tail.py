"""What is appended to a log, from now on; the log may be set aside or emptied meanwhile."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Bytes read at a time, so that a flood in the log makes nothing else wait.
PORTION = 256 * 1024
#: A longer line is none that anybody wants.
LINE_MAX = 16 * 1024


class Tail:
    """Reads one file; used by one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open(at_end=True)

    @property
    def is_open(self) -> bool:
        """Whether there is a file that may be read."""
        return self._file is not None

    def lines(self) -> Iterator[bytes]:
        """Yield the whole lines that were appended since; raises no OSError."""
        with contextlib.suppress(OSError):
            data = self._file.read(PORTION) if self._file else b""
            if not data and self._moved():
                self._open(at_end=False)
                data = self._file.read(PORTION) if self._file else b""
            *whole, rest = (self._rest + data).split(b"\n")
            self._rest = rest if len(rest) <= LINE_MAX else b""
            yield from whole

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()
        self._file = None

    def _open(self, *, at_end: bool) -> None:
        self.close()
        self._rest = b""
        with contextlib.suppress(OSError):
            self._file = self.path.open("rb", buffering=0)
            if at_end:
                self._file.seek(0, os.SEEK_END)

    def _moved(self) -> bool:
        """Whether the name stands for another file, or for one that was emptied."""
        there = self.path.stat()
        if self._file is None:
            return True
        mine = os.fstat(self._file.fileno())
        same = (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
        return not same or there.st_size < self._file.tell()
