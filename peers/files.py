"""Files that the worker writes and Asterisk, as another user, reads: whole, or not at all."""

import os
import stat
from pathlib import Path

from ddiweb.deploy.errors import Retryable


def read(path: Path) -> str:
    """The text of a file, empty if there is none; raises Retryable if it can't be read."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Retryable(f"{path} can't be read: {error}") from error


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; an empty one is removed. Raises OSError.

    Asterisk as another user reads by the group that a set-group-id folder hands down.
    """
    if not text:
        path.unlink(missing_ok=True)
        return
    beside = path.parent / f".{path.name}.new"
    beside.unlink(missing_ok=True)
    shared = path.parent.stat().st_mode & stat.S_ISGID
    mode = 0o640 if shared else 0o600
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
