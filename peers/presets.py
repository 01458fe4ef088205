"""Vendors' services as data: what a new trunk may begin with. A file each, with source and date.

A preset fills in a form and nothing else: a person looks at it, and saves it or not. It gets old:
the page says from when it is.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "vendors"
KEY = re.compile(r"\A[a-z][a-z0-9-]{0,39}\Z")


@dataclass(frozen=True)
class Preset:
    """Starting values of a trunk. ``source``: where they were read on the day ``verified_on``."""

    key: str
    name: str
    source: str
    verified_on: date
    note: str = ""
    trunk: dict[str, Any] = field(default_factory=dict)
    servers: list[dict[str, Any]] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)


@cache
def presets() -> dict[str, Preset]:
    """All of them, by key, in the order of their names."""
    found = [_read(path) for path in FOLDER.glob("*.json")]
    return {one.key: one for one in sorted(found, key=lambda one: one.name)}


def preset(key: str) -> Preset | None:
    """The one of this key, which may come from a stranger's link."""
    return presets().get(key) if KEY.fullmatch(key) else None


def _read(path: Path) -> Preset:
    data = json.loads(path.read_text(encoding="utf-8"))
    day = date.fromisoformat(data.pop("verified_on"))
    return Preset(key=path.stem, verified_on=day, **data)
