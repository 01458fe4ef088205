"""Amendments since the last whole intent was written: a line each, in a file of their own.

A line is on the disk before the kernel changes. It counts only beside the `good.json` whose
edition it names, so a newer whole intent ends all of it, at whatever instant the agent dies.
"""

import dataclasses
import errno
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ddiweb.deploy.errors import Failed, Refused
from firewall.ruleset.types import MAX_REVOKED, Intent, Token
from firewall.ruleset.values import Invalid

MAX_LINES = 256  # then a whole intent is written


class Journal:
    """The file; raises `Refused` if it can't be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines = 0

    def load(self, edition: str) -> Iterator[tuple[list[Token], list[int]]]:
        """What was added and dropped since `edition`, in order; a torn last line was never done."""
        self.lines = whole = 0
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            if entry["edition"] != edition:
                break
            self.lines += 1
            whole += len(line)
            yield [Token(mark, value) for mark, value in entry["add"]], entry["drop"]
        if whole != len(data):
            os.truncate(self._path, whole)

    def append(self, edition: str, add: Sequence[Token], drop: Sequence[int]) -> int:
        """Write one line and flush it to the disk; returns where it begins, for `cut`."""
        entry = {"edition": edition, "add": [[t.mark, t.value] for t in add], "drop": list(drop)}
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            begins = self._write(line)
        except OSError as error:
            raise Refused(f"state: {self._path.name} can't be written: {error.strerror}") from None
        self.lines += 1
        return begins

    def _write(self, line: bytes) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self._path, flags | (0 if self.lines else os.O_TRUNC), 0o600)
        try:
            begins = os.fstat(file).st_size
            try:
                if os.write(file, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fdatasync(file)
            except OSError:
                os.ftruncate(file, begins)
                raise
        finally:
            os.close(file)
        if not self.lines:
            settle(self._path.parent)
        return begins

    def cut(self, begins: int) -> None:
        """Take back the line that begins there: it did not come about."""
        try:
            os.truncate(self._path, begins)
        except OSError as error:
            raise Failed(f"state: {self._path.name}: {error.strerror}") from None
        self.lines -= 1

    def end(self) -> None:
        """A whole intent was written: the lines count no more."""
        self.lines = 0
        self._path.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Flush a folder's names to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def amended(
    intent: Intent, add: Iterable[Token], drop: Iterable[int]
) -> tuple[Intent, tuple[Token, ...]]:
    """`intent` with tokens added and marks revoked, and the tokens in which the two differ.

    What is so already is passed over; if all is, the same object comes back. Raises `Invalid`.
    """
    dead, have = set(drop), {token.mark: token for token in intent.tokens}
    fresh = tuple(token for token in add if have.get(token.mark) != token)
    if any(token.mark in have for token in fresh):
        raise Invalid("add", "holds a mark of another token", "give each token its own mark")
    gone = tuple(have[mark] for mark in sorted(dead & have.keys()))
    if not fresh and not gone and dead <= set(intent.revoked):
        return intent, ()
    older = sorted(set(intent.revoked) - dead, reverse=True)[: MAX_REVOKED - len(dead)]
    kept = (token for token in intent.tokens if token.mark not in dead)
    made = dataclasses.replace(intent, tokens=(*kept, *fresh), revoked=(*older, *dead))
    return made, (*fresh, *gone)
