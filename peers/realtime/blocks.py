"""Blocks of DDIs, found by the dialplan without a row a number.

A block from 442079460100 to 442079460149 is the patterns ``4420794601[0-4]x``: each a row of
ddi_ranges whose id is the trunk and the pattern, ``x`` for any digit. A call looks for its own
number first, then with one more ``x`` at a time: at most seven look-ups, however large the block.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from peers.realtime import schema
from peers.realtime.rows import Row, row
from peers.realtime.text import refuse

NUMBER = re.compile(r"\A[1-9][0-9]{2,14}\Z")
#: Numbers in one block.
BLOCK_MAX = 1_000_000


def size(first: str, last: str) -> int:
    """Return how many numbers there are from ``first`` to ``last``; 0 if they make no block."""
    return max(0, int(last) - int(first) + 1) if len(first) == len(last) else 0


def patterns(first: str, last: str) -> Iterator[str]:
    """Yield the fewest patterns that are exactly the numbers from ``first`` to ``last``."""
    low, high, width = int(first), int(last), len(first)
    while low <= high:
        wild = 0
        while low % 10 ** (wild + 1) == 0 and low + 10 ** (wild + 1) - 1 <= high:
            wild += 1
        yield f"{low:0{width}d}"[: width - wild] + "x" * wild
        low += 10**wild


def rows(blocks: Iterable[tuple[str, str, str, str]]) -> Iterator[Row]:
    """The rows of all blocks, each a trunk, the number's key, its first and its last digits.

    A row of the trunk itself says how many ``x`` its widest pattern has. Raises Refused for blocks
    of one trunk that share a number.
    """
    ordered = sorted(blocks, key=lambda one: (one[0], len(one[2]), one[2]))
    for one, other in pairwise(ordered):
        if (one[0], len(one[2])) == (other[0], len(other[2])) and other[2] <= one[3]:
            raise refuse(f"number {other[1]}", "shares numbers with another block", "narrow one")
    widest: dict[str, int] = {}
    for trunk, key, first, last in ordered:
        for pattern in patterns(first, last):
            widest[trunk] = max(widest.get(trunk, 0), pattern.count("x"))
            yield row(schema.RANGES, f"{trunk}-{pattern}", number=key)
    for trunk, wild in widest.items():
        yield row(schema.RANGES, trunk, wild=str(wild))
