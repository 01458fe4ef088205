"""Blocked and allowed callers as facts and as rows: the longest prefix of their digits decides.

A rule of the number itself is asked before one of the whole node with as many digits. Digits are
those of E.164 without the plus, so ``44`` is everybody in the United Kingdom. A caller's number is
what a vendor says, and can be false: a rule spares annoyance, it proves nobody.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from peers.realtime import schema
from peers.realtime.rows import Row, row
from peers.realtime.text import display_text, matches

DIGITS = re.compile(r"\A[1-9][0-9]{0,14}\Z")
#: A number's or a block's key, or nothing: every number of the node.
NUMBER = re.compile(r"\A([a-z0-9_]{1,40}-[1-9][0-9]{2,14}(_[1-9][0-9]{2,14})?)?\Z")
EVERY = "all"


@dataclass(frozen=True)
class CallerFacts:
    """One rule: callers whose digits begin with ``prefix`` are let through, or not."""

    prefix: str
    allow: bool = False
    number: str = ""

    def __post_init__(self) -> None:
        matches("caller.prefix", DIGITS, self.prefix, "write 1 to 15 digits, country code first")
        matches("caller.number", NUMBER, self.number, "name a number by its key")


@dataclass(frozen=True)
class CallerNameFacts:
    """What phones show for a caller; ``number`` is E.164 digits."""

    number: str
    name: str

    def __post_init__(self) -> None:
        matches("caller_name.number", DIGITS, self.number, "write E.164 digits")
        display_text("caller_name.name", self.name, 60)


def names(callers: Iterable[CallerNameFacts]) -> Iterator[Row]:
    """One row a name."""
    for one in callers:
        yield row(schema.NAMES, one.number, name=one.name)


def rows(callers: Iterable[CallerFacts]) -> Iterator[Row]:
    """One row a rule."""
    for one in callers:
        key = f"{one.number or EVERY}-{one.prefix}"
        yield row(schema.CALLERS, key, verdict="allow" if one.allow else "block")


def longest(number: str, callers: Iterable[CallerFacts]) -> int:
    """Digits of the longest rule that concerns ``number``; the dialplan looks no further."""
    return max((len(one.prefix) for one in callers if one.number in ("", number)), default=0)
