"""Phone tokens in text: found, and cut to what may be shown. No Django here."""

import re

#: A token: its node's site prefix, then 26 base32 characters (130 bits).
TOKEN = re.compile(r"ddi-[a-z2-7]{8}-[a-z2-7]{26}")


def redacted(text: str) -> str:
    """Return ``text`` with every phone token in it cut to its prefix and 4 characters."""
    return TOKEN.sub(lambda found: f"{found.group()[:17]}…", text)
