"""Mailboxes as facts and as rows that Asterisk's voicemail reads (app_voicemail, ``voicemail``)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from peers.realtime import schema
from peers.realtime.rows import Row, row
from peers.realtime.text import between, display_text, matches

KEY = re.compile(r"\Abox_[1-9][0-9]{0,17}\Z")
#: Asterisk's own word for a group of mailboxes; here there is one.
CONTEXT = "ddi"


@dataclass(frozen=True)
class MailboxFacts:
    """A mailbox; ``longest`` is the longest message in seconds."""

    key: str
    name: str = ""
    longest: int = 180

    def __post_init__(self) -> None:
        matches("mailbox.key", KEY, self.key, "name it by its key")
        display_text("mailbox.name", self.name)
        between("mailbox.longest", self.longest, 10, 600)


def rows(boxes: Iterable[MailboxFacts]) -> Iterator[Row]:
    """One row a mailbox. Nobody asks for its password: only the dialplan opens it."""
    for box in boxes:
        yield row(
            schema.MAILBOXES,
            box.key,
            mailbox=box.key,
            fullname=box.name,
            maxsecs=str(box.longest),
        )


def lamps(keys: Iterable[str]) -> str:
    """Return an endpoint's ``mailboxes``: it is told by NOTIFY when their messages change."""
    return ",".join(f"{key}@{CONTEXT}" for key in keys)
