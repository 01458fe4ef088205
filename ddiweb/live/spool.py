"""Collect call records from Asterisk's file into the panel's database: each once, none lost.

Asterisk appends a line a record, whether or not ddiweb runs. How far the file was read is a row,
written in one transaction with the records, so a kill at any instant loses and doubles nothing.
The file is known by its first line, whatever it is renamed to.
"""

import hashlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils import timezone

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.live import record
from ddiweb.live.models import SpoolMark
from peers.realtime import cdr

log = logging.getLogger(__name__)

#: Bytes read, and stored in one transaction, at a time.
PORTION = 256 * 1024
#: A longer file is set aside and a new one begins.
ROTATE_AT = 16 * 1024 * 1024
#: Seconds for which a file that was set aside is kept after its last line: a frozen Asterisk may
#: have it open still.
KEEP_OLD = 3600


@dataclass(frozen=True)
class Collected:
    """What one look found."""

    records: int = 0
    broken: int = 0


def collect(node: Node, path: Path) -> Collected:
    """Store what is new in ``path`` and in the file set aside before it; raises OSError."""
    records = broken = 0
    for file in (old_of(path), path):
        while True:
            found = _portion(node, file)
            records, broken = records + found.records, broken + found.broken
            if not found.records + found.broken:
                break
    _rotate(node, path)
    return Collected(records, broken)


def old_of(path: Path) -> Path:
    """Where the file before this one lies."""
    return path.with_name(f"{path.name}.old")


def _portion(node: Node, path: Path) -> Collected:
    """Store the next whole lines of one file."""
    try:
        with path.open("rb") as file:
            head = file.readline(cdr.LINE_MAX + 1)
            if not head.endswith(b"\n"):
                return Collected()
            mark = _mark(node, head)
            start = mark.offset if mark.offset <= os.fstat(file.fileno()).st_size else 0
            file.seek(start)
            data = file.read(PORTION)
    except FileNotFoundError:
        return Collected()
    end = data.rfind(b"\n") + 1
    if not end and len(data) == PORTION:
        end = PORTION  # no line of Asterisk's: step over it
    if not end:
        return Collected()
    try:
        with transaction.atomic():
            return _store(node, mark, start + end, data[:end])
    except IntegrityError:
        return Collected()  # another watch was faster; the next look goes on behind it


def _mark(node: Node, head: bytes) -> SpoolMark:
    digest = hashlib.sha256(head).hexdigest()
    return SpoolMark.objects.get_or_create(
        node=node, head=digest, defaults={"read_at": timezone.now()}
    )[0]


def _store(node: Node, mark: SpoolMark, offset: int, lines: bytes) -> Collected:
    mine = SpoolMark.objects.filter(pk=mark.pk, offset=mark.offset)
    if not mine.update(offset=offset, read_at=timezone.now()):
        raise IntegrityError("read by another watch")
    records = broken = 0
    for line in lines.splitlines():
        try:
            record.call(node, cdr.parse(line))
            records += 1
        except Refused as error:
            broken += 1
            log.warning("%s: a line is left out: %s", node.slug, error)
    return Collected(records, broken)


def _rotate(node: Node, path: Path) -> None:
    """Set a long file aside, once the one before it is read and long silent."""
    old = old_of(path)
    try:
        if old.exists():
            if time.time() - old.stat().st_mtime < KEEP_OLD:
                return
            with old.open("rb") as file:
                digest = hashlib.sha256(file.readline(cdr.LINE_MAX + 1)).hexdigest()
            if not SpoolMark.objects.filter(
                node=node, head=digest, offset=old.stat().st_size
            ).exists():
                return
            old.unlink()
            SpoolMark.objects.filter(node=node, head=digest).delete()
        if path.stat().st_size > ROTATE_AT:
            path.rename(old)
    except FileNotFoundError:
        return
