"""AMI messages: building one that can't be split, and parsing what a hostile caller had a hand in.

A message is ``Name: value`` lines ended by CR LF and closed by an empty line (Asterisk,
main/manager.c). Callers choose names, numbers and headers that come back in events.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ddiweb.deploy.errors import Refused, Retryable

#: Longest message and line accepted, in bytes; Asterisk's own are a few KiB.
MESSAGE_MAX = 1_048_576
LINE_MAX = 65_536
_NAME = re.compile(r"\A[A-Za-z][A-Za-z0-9]{0,39}\Z")
_VALUE_MAX = 1000


@dataclass(frozen=True)
class Message:
    """One message: names and values in the order received, values as text without line ends."""

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of ``name``, any case; a repeated name can't override it."""
        wanted = name.lower()
        for key, value in self.fields:
            if key.lower() == wanted:
                return value
        return default

    @property
    def event(self) -> str:
        """Name of the event, empty for a response. Only the first line can make an event."""
        return self._first("event")

    @property
    def response(self) -> str:
        """``Success``, ``Error`` or ``Goodbye``; empty for an event."""
        return self._first("response")

    def _first(self, name: str) -> str:
        if self.fields and self.fields[0][0].lower() == name:
            return self.fields[0][1]
        return ""

    @property
    def action_id(self) -> str:
        """ActionID of the action that this answers, or empty."""
        return self.get("ActionID")


def build(fields: Mapping[str, str]) -> bytes:
    """Return the bytes of one action.

    Raises Refused for a value with CR, LF or NUL, which would begin a second action, or a name
    that is not letters and digits.
    """
    lines = []
    for name, value in fields.items():
        if not _NAME.fullmatch(name):
            raise Refused("AMI: a field's name is not letters and digits; nothing was sent")
        if any(character in value for character in "\r\n\0") or len(value) > _VALUE_MAX:
            raise Refused(
                f"AMI: the value of {name} holds CR, LF or NUL or is too long; nothing was sent"
            )
        lines.append(f"{name}: {value}\r\n")
    try:
        return "".join([*lines, "\r\n"]).encode()
    except UnicodeEncodeError:
        raise Refused("AMI: a value holds half a character; nothing was sent") from None


class Parser:
    """Bytes in, messages out; keeps what is incomplete.

    Only CR LF ends a line: a lone CR or LF inside a value stays part of it. A line without a colon
    is dropped. Raises Retryable, for the connection to be made anew, over the limits of size.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Add ``data`` and return the messages that it completes."""
        self._buffer += data
        messages = []
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            block = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            if message := _parse(block):
                messages.append(message)
        if len(self._buffer) > MESSAGE_MAX:
            raise Retryable("AMI: a message without an end")
        return messages


def _parse(block: bytes) -> Message | None:
    fields = []
    for line in block.split(b"\r\n"):
        if len(line) > LINE_MAX:
            raise Retryable("AMI: a line without an end")
        name, colon, value = line.partition(b":")
        if colon and name and b" " not in name:
            text = value.removeprefix(b" ").decode("utf-8", "replace")
            fields.append((name.decode("ascii", "replace"), text))
    return Message(tuple(fields)) if fields else None
