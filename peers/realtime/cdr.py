"""Call records as Asterisk's file holds them (deploy/asterisk/cdr_custom.conf). Pure.

One record a line, one line a leg. Whatever a caller chose is percent-encoded, so a comma or a line
end within it is none; decoded it is hostile text as before.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from ddiweb.deploy.errors import Refused
from peers.realtime.events import endpoint_of

VERSION = "1"
FIELDS = 16
#: Longer lines are none of Asterisk's: its own fields end at 80 to 256 characters (cdr.h).
LINE_MAX = 8192
_TIME = re.compile(r"\A([0-9]{1,11})\.[0-9]{6}\Z")
_NUMBER = re.compile(r"\A[0-9]{1,9}\Z")
_UNIQUE = re.compile(r"\A[0-9]{9,11}\.[0-9]{1,12}\Z")


@dataclass(frozen=True)
class CallRecord:
    """One leg of a call, written when it ended. Times are aware, in UTC; None: it never came to it.

    ``unique_id`` and ``sequence`` together name it for ever. ``number`` is the DDI, or what was
    dialled, in digits; ``source`` and ``destination`` are the endpoints at its ends (empty if
    none), ``trunk`` the key of a vendor that called. ``seconds`` lasts from the INVITE,
    ``billed_seconds`` from the answer. ``disposition`` is Asterisk's: ANSWERED, NO ANSWER, BUSY,
    FAILED, CONGESTION.
    """

    unique_id: str
    sequence: int
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    caller: str
    number: str
    trunk: str
    source: str
    destination: str
    disposition: str
    seconds: int
    billed_seconds: int


def parse(line: bytes) -> CallRecord:
    """Return the record of one line, without its line end; raises Refused for any other text."""
    if len(line) > LINE_MAX:
        raise Refused("call record: too long")
    try:
        fields = line.decode("ascii").split(",")
    except UnicodeDecodeError:
        raise Refused("call record: not ASCII") from None
    if len(fields) != FIELDS or fields[0] != VERSION:
        raise Refused("call record: of another version")
    unique_id, linked, disposition, trunk, userfield, source, destination, channel, dialled = (
        unquote(fields[at], errors="replace") for at in (1, 3, 9, 10, 11, 12, 13, 14, 15)
    )
    for value in (unique_id, linked):
        if not _UNIQUE.fullmatch(value):
            raise Refused("call record: no unique id")
    started = _time(fields[4])
    if started is None:
        raise Refused("call record: no start")
    return CallRecord(
        unique_id=unique_id,
        sequence=_number(fields[2]),
        started_at=started,
        answered_at=_time(fields[5]),
        ended_at=_time(fields[6]),
        caller=source,
        number=userfield or destination,
        trunk=trunk,
        source=endpoint_of(channel),
        destination=endpoint_of(dialled),
        disposition=disposition,
        seconds=_number(fields[7]),
        billed_seconds=_number(fields[8]),
    )


def _time(value: str) -> datetime | None:
    """Unix seconds with microseconds; Asterisk writes 0 for what never happened."""
    found = _TIME.fullmatch(value)
    if not found:
        raise Refused("call record: a time has not the form that is needed")
    return datetime.fromtimestamp(float(value), UTC) if int(found[1]) else None


def _number(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise Refused("call record: a number has not the form that is needed")
    return int(value)
