"""The zones of ``zones.json``, and what a choice of them means as prefixes."""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("zones.json")


@dataclass(frozen=True)
class Zone:
    """A country or another part of the telephone network; fields as ``build.py`` explains them."""

    key: str
    name: str
    code: str
    prefixes: tuple[str, ...]
    premium: tuple[str, ...]
    never: tuple[str, ...]
    international: str
    national: str
    bare: bool
    emergency: tuple[str, ...]

    @property
    def is_country(self) -> bool:
        """Whether somebody can be there and dial."""
        return self.key.isalpha()

    def __str__(self) -> str:
        return f"{self.name} (+{self.code})"


@functools.cache
def zones() -> dict[str, Zone]:
    """All zones by key: ISO 3166 letters, or the digits of a code that is of no country."""
    raw: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["zones"]
    return {key: Zone(key=key, **_fields(one)) for key, one in raw.items()}


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in raw.items()}


@functools.cache
def origin() -> tuple[str, str]:
    """Where the data is from, and of which day."""
    raw = json.loads(FILE.read_text(encoding="utf-8"))
    return raw["source"], raw["date"]


def choices() -> list[tuple[str, str]]:
    """Keys and names, countries first, by name."""
    ordered = sorted(zones().values(), key=lambda one: (not one.is_country, one.name))
    return [(one.key, str(one)) for one in ordered]


def countries() -> list[tuple[str, str]]:
    """The countries alone."""
    return [(key, name) for key, name in choices() if key.isalpha()]


def destinations(
    chosen: Iterable[str], *, premium: bool, own: Iterable[tuple[str, bool]] = ()
) -> tuple[tuple[str, bool], ...]:
    """(prefix, allowed) of a choice of zones; ``own`` are further ones, which win.

    Zones that were not chosen are denied where they lie within a chosen one's code, and premium
    ranges unless ``premium``. A key that is unknown (an update took it away) allows nothing.
    """
    known, picked, own = zones(), set(chosen), list(own)
    codes = {known[key].code for key in picked if key in known}
    rules: dict[str, bool] = {}
    for zone in known.values():
        if zone.code not in codes:
            continue
        for prefix in zone.prefixes:
            rules[prefix] = zone.key in picked
    # After all prefixes: a range that is premium anywhere under the code is so for everybody. Also
    # where only a prefix of one's own allows the code: +44 does not mean the premium numbers in it.
    allowed = [prefix for prefix, allow in own if allow]
    for zone in known.values():
        if zone.code in codes or any(
            zone.code.startswith(prefix) or prefix.startswith(zone.code) for prefix in allowed
        ):
            rules |= dict.fromkeys(zone.never, False)
            if not premium:
                rules |= dict.fromkeys(zone.premium, False)
    return tuple(sorted((rules | dict(own)).items()))
