"""What Asterisk's voicemail keeps on the node: a text and a WAV file a message.

Asterisk writes both under other names first and renames them (app_voicemail.c), so what is here is
whole. A caller's name stands in the text as he gave it: nothing is taken from it but digits. No
Django here.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Asterisk's folders of a mailbox that are looked into; the first holds what nobody heard yet.
NEW = "INBOX"
FOLDERS = (NEW, "Old", "Urgent", "Work", "Family", "Friends")
CONTEXT = "ddi"
#: Bytes; ten minutes of 8,000 samples of 16 bits are less.
AUDIO_MAX = 12 * 1024 * 1024
TEXT_MAX = 16 * 1024

_BOX = re.compile(r"\Abox_[1-9][0-9]{0,17}\Z")
_FILE = re.compile(r"\A(msg[0-9]{4})\.txt\Z")
_ID = re.compile(r"\A[0-9]{1,12}-[0-9a-f]{8}\Z")
_CALLER = re.compile(r"<(\+?[0-9]{1,20})>\Z")


@dataclass(frozen=True)
class Message:
    """One recording. ``caller`` and ``number`` hold digits only; ``at`` is Unix seconds."""

    box: str
    folder: str
    id: str
    caller: str
    number: str
    at: int
    seconds: int
    audio: Path


def read(root: Path) -> Iterator[Message]:
    """Yield the messages of every mailbox; nothing if the folder is not there yet."""
    for box in _entries(root / CONTEXT):
        if not _BOX.match(box.name):
            continue
        for folder in FOLDERS:
            for file in _entries(Path(box.path) / folder):
                match = _FILE.match(file.name)
                if match and (found := _message(box.name, folder, Path(file.path), match[1])):
                    yield found


def audio(message: Message) -> bytes | None:
    """Return a recording's WAV file; None if it vanished, or is none."""
    data = _read(message.audio, AUDIO_MAX)
    return data if data is not None and data[:4] == b"RIFF" else None


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    return []


def _message(box: str, folder: str, text: Path, name: str) -> Message | None:
    data = _read(text, TEXT_MAX)
    if data is None:
        return None
    fields: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, separator, value = line.partition("=")
        if separator:
            # What comes later was written by Asterisk, whatever a caller's name tried before it.
            fields[key.strip()] = value.strip()
    if not _ID.match(fields.get("msg_id", "")):
        return None
    who = _CALLER.search(fields.get("callerid", ""))
    return Message(
        box,
        folder,
        fields["msg_id"],
        who[1] if who else "",
        "".join(filter(str.isdecimal, fields.get("category", "")))[:15],
        _count(fields.get("origtime", "")),
        _count(fields.get("duration", "")),
        text.with_name(f"{name}.wav"),
    )


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0


def _read(path: Path, most: int) -> bytes | None:
    """Return a regular file of at most ``most`` bytes; a link or another kind is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            data = file.read(most + 1)
    except OSError:
        return None
    return data if len(data) <= most else None
