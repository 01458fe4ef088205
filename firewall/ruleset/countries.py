"""Which networks belong to a country: the text files of Debian's tor-geoipdb, read. Pure.

`geoip` has lines of `first,last,CC` with IPv4 addresses as whole numbers, `geoip6` the same with
addresses as text; `#` begins a comment (tor's manual, GeoIPFile). Neighbours are joined and cut
into as few networks as hold them, so the same countries of the same file give the same list.
"""

import hashlib
import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from firewall.ruleset.rules import Block
from firewall.ruleset.values import Invalid

_REMEDY = "name geoip and geoip6 of tor-geoipdb in the agent's configuration (country_files)"


@dataclass(frozen=True)
class Places:
    """The address ranges of some countries in one family, in order, without overlap."""

    version: Literal[4, 6]
    ranges: tuple[tuple[int, int], ...]

    def hold(self, address: str) -> bool:
        """Whether an address is in one of them."""
        number = int(ipaddress.ip_address(address))
        at = bisect_right(self.ranges, (number, 1 << 128)) - 1
        return at >= 0 and number <= self.ranges[at][1]

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """The ranges as canonical networks."""
        if self.version == 4:
            return tuple(f"{_dotted(base)}/{bits}" for base, bits in _cut(self.ranges, 32) if bits)
        wide = _cut(self.ranges, 128)
        return tuple(f"{ipaddress.IPv6Address(base)}/{bits}" for base, bits in wide if bits)

    def block(self) -> Block:
        """What a set needs to be filled, and to be known again by its name."""
        mark = hashlib.sha256("\n".join(self.networks).encode()).hexdigest()[:12]
        return Block(mark, len(self.networks), lambda: self.networks)


def read(lines: Iterable[str], codes: Sequence[str], version: Literal[4, 6]) -> Places:
    """The ranges of these countries; raises `Invalid` for a country that the file does not have.

    A line that is out of form is refused too: half a file would shut out half a country.
    """
    wanted, found = set(codes), set()
    ranges: list[tuple[int, int]] = []
    for number, line in enumerate(lines, 1):
        code = line.rstrip()[-2:]
        if code not in wanted or line.startswith("#"):
            continue
        try:
            first, last, name = line.strip().split(",")
            ends = _end(first, version), _end(last, version)
        except ValueError:
            raise Invalid("countries", f"have a bad line {number} in their file", _REMEDY) from None
        if name != code or ends[0] > ends[1]:
            raise Invalid("countries", f"have a bad line {number} in their file", _REMEDY)
        found.add(code)
        ranges.append(ends)
    missing = sorted(wanted - found)
    if missing and version == 4:
        raise Invalid("countries", f"name {missing[0]}, which the file does not have", _REMEDY)
    return Places(version, tuple(_joined(sorted(ranges))))


def _dotted(number: int) -> str:
    """An IPv4 address as text; ipaddress takes ten times as long, and there are 100,000."""
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _end(text: str, version: int) -> int:
    if version == 6:
        return int(ipaddress.IPv6Address(text))
    if not text.isascii() or not text.isdigit():
        raise ValueError("not a whole number")
    return int(ipaddress.IPv4Address(int(text)))


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges in order, those that touch or overlap as one."""
    begun: tuple[int, int] | None = None
    for first, last in ranges:
        if begun is not None and first <= begun[1] + 1:
            begun = (begun[0], max(begun[1], last))
            continue
        if begun is not None:
            yield begun
        begun = (first, last)
    if begun is not None:
        yield begun


def _cut(ranges: Iterable[tuple[int, int]], width: int) -> Iterator[tuple[int, int]]:
    """Ranges as (base, prefix length), each as wide as its base and what is left allow."""
    for first, last in ranges:
        base = first
        while base <= last:
            size = min(base & -base or 1 << width, 1 << (last - base + 1).bit_length() - 1)
            yield base, width - size.bit_length() + 1
            base += size
