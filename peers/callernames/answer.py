"""A stranger's answer made fit for a phone's display. Pure."""

import json
import unicodedata
from typing import Any

from peers.realtime.text import DISPLAY_FORBIDDEN

#: Characters of a name; a phone shows fewer.
LONGEST = 40


def name_in(body: bytes, field: str = "") -> str:
    """Return the name that ``body`` holds; empty if there is none.

    ``field``: where it stands in JSON, such as ``data.0.name``; empty: the body is the name, and
    its first line counts. Raises ValueError if it is no JSON.
    """
    text = body.decode("utf-8", "ignore")
    return clean(_picked(text, field) if field else _first_line(text))


def clean(text: str) -> str:
    """Return printable text on one line, without what dialplan, drivers or SIP could read.

    Left out are also marks that turn the direction of writing: they could show another name.
    """
    kept = []
    for character in unicodedata.normalize("NFC", text[:4096]):
        kind = unicodedata.category(character)
        if kind[0] == "Z" or kind == "Cc":
            kept.append(" ")
        elif kind[0] != "C" and character not in DISPLAY_FORBIDDEN:
            kept.append(character)
    return " ".join("".join(kept).split())[:LONGEST].strip()


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _picked(text: str, field: str) -> str:
    try:
        found: Any = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    for part in field.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit():
            found = found[int(part[:4])] if int(part[:4]) < len(found) else None
        else:
            return ""
    return found if isinstance(found, str) else ""
