"""Who and what comes in: files that only root or the agent may write, and room for each client."""

import contextlib
import os
import socket
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ddiweb.deploy.errors import Refused, Retryable

MAX_CONNECTIONS = 16  # of all users together
MAX_OF_ONE = 12  # of one user: the others are not kept out by it
SMALL = 64 * 1024  # bytes of a message that may be held beside any number of others
_BIG_AT_ONCE = 2  # decoded, 4 MiB of JSON take up to 100 MiB of memory


class Places:
    """Room for connections and for long messages; raises `Retryable` when there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[int] = Counter()
        self._big = threading.BoundedSemaphore(_BIG_AT_ONCE)

    def take(self, uid: int) -> None:
        """A connection of this user begins."""
        with self._lock:
            if self._held.total() >= MAX_CONNECTIONS or self._held[uid] >= MAX_OF_ONE:
                raise Retryable("the agent is busy")
            self._held[uid] += 1

    def leave(self, uid: int) -> None:
        """It ended."""
        with self._lock:
            self._held[uid] -= 1

    @contextlib.contextmanager
    def big(self) -> Iterator["BigPlace"]:
        """A place for one long message until its request is done, taken only if it is needed."""
        place = BigPlace(self._big)
        try:
            yield place
        finally:
            place.leave()


class BigPlace:
    """See `Places.big`."""

    def __init__(self, room: threading.BoundedSemaphore) -> None:
        self._room = room
        self._held = False

    def take(self, size: int, seconds: float) -> None:
        """Wait for room for a message of `size` bytes."""
        if size > SMALL and not self._held:
            if not self._room.acquire(timeout=max(0.0, seconds)):
                raise Retryable("the agent is busy with other long messages")
            self._held = True

    def leave(self) -> None:
        """Give it back."""
        if self._held:
            self._room.release()
            self._held = False


def listen(path: Path) -> socket.socket:
    """A listening socket of mode 0660; raises `Refused` where others could put their own."""
    own_folder(path.parent, "socket")
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Refused(f"socket: {path} is there and is no socket; remove it")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)  # born 0660: there is no moment at which others could connect
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(64)
    return listener


def own_folder(path: Path, field: str) -> None:
    """Refuse a folder in which somebody else could exchange what we write."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"{field}: {path} is not a folder (a link is none); name the folder itself")
    _only_ours(found, path, field)


def own_file(file: int, path: Path) -> None:
    """Refuse an open configuration that somebody else could have written."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"configuration {path}: is not a file")
    _only_ours(found, path, "configuration")


def _only_ours(found: os.stat_result, path: Path, field: str) -> None:
    if found.st_uid not in {0, os.geteuid()} or found.st_mode & 0o022:
        raise Refused(
            f"{field}: others may write {path}; give it to root or the agent's user and "
            f"chmod go-w it"
        )
