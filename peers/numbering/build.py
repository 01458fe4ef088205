"""``python -m peers.numbering.build``: write ``zones.json`` anew from libphonenumber's metadata.

Run it after an update of ``phonenumberslite`` and read the difference before it is committed: the
file, not the library, decides where phones may call.

A zone is a region that libphonenumber knows. Its prefixes are the country code, or what tells it
from the others that share the code (+1, +7, +44 …); its premium prefixes are the ranges of
premium-rate, shared-cost, personal and pager numbers. A ``0`` that no number there begins with is
listed as ``never``: +44 0909… is no number, but some vendors would take the 0 away.
"""

import datetime
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from re import _constants as constants  # type: ignore[attr-defined]  # the standard library's parser
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import phonenumbers
from phonenumbers import PhoneMetadata

FILE = Path(__file__).with_name("zones.json")
#: The tz database's list of country codes and names (public domain).
NAMES = Path("/usr/share/zoneinfo/iso3166.tab")
PREMIUM = ("premium_rate", "shared_cost", "personal_number", "pager")
#: Codes of no country (ITU E.164 list): satellites, international networks, premium, freephone.
WORLD = {
    "800": "International freephone", "808": "International shared cost",
    "870": "Inmarsat satellite phones", "878": "Universal personal numbers",
    "881": "Satellite phones (Globalstar, Iridium and others)",
    "882": "International networks", "883": "International networks (883)",
    "888": "Humanitarian use", "979": "International premium rate",
}  # fmt: skip
DIGITS = frozenset("0123456789")
Sets = tuple[frozenset[str], ...]


def heads(pattern: str | None, longest: int) -> set[str]:
    """Prefixes of at most ``longest`` digits with which every match of ``pattern`` begins."""
    if not pattern:
        return set()
    found = set()
    for sets in _sequences(list(parser.parse(pattern)), longest):
        short = sets[:longest]
        while short and short[-1] == DIGITS:
            short = short[:-1]
        found |= {"".join(digits) for digits in product(*map(sorted, short))}
    return shortest(found)


def shortest(prefixes: Iterable[str]) -> set[str]:
    """The same set of numbers by as few prefixes as possible."""
    kept: set[str] = set()
    for prefix in sorted(set(prefixes), key=len):
        if not any(prefix[:n] in kept for n in range(len(prefix))):
            kept.add(prefix)
    for length in range(max(map(len, kept), default=0), 1, -1):
        for parent in {prefix[:-1] for prefix in kept if len(prefix) == length}:
            children = {parent + digit for digit in DIGITS}
            if children <= kept:
                kept = kept - children | {parent}
    return kept


def _sequences(nodes: list[Any], longest: int) -> Iterator[Sets]:
    """Sequences of sets of digits; each stops where it is long enough."""
    if not nodes or longest <= 0:
        yield ()
        return
    for option in _options(nodes[0], longest):
        if len(option) >= longest:
            yield option
        else:
            for tail in _sequences(nodes[1:], longest - len(option)):
                yield option + tail


def _options(node: tuple[Any, Any], longest: int) -> list[Sets]:
    """What one part of a pattern stands for."""
    kind, value = node
    if kind is constants.LITERAL:
        return [(frozenset(chr(value)),)]
    if kind is constants.IN:
        return [(frozenset().union(*map(_members, value)),)]
    if kind is constants.BRANCH:
        return [one for branch in value[1] for one in _sequences(list(branch), longest)]
    if kind is constants.SUBPATTERN:
        return list(_sequences(list(value[3]), longest))
    if kind is not constants.MAX_REPEAT:
        raise ValueError(f"{kind} in a pattern: teach it to this module")
    low, high, inner = value
    one = list(_sequences(list(inner), longest))
    found: set[Sets] = {()}
    for _ in range(low):
        found = {(a + b)[:longest] for a in found for b in one}
    for _ in range(min(high - low, longest)):
        found |= {(a + b)[:longest] for a in found for b in one}
    return list(found)


def _members(item: tuple[Any, Any]) -> frozenset[str]:
    kind, value = item
    if kind is constants.RANGE:
        return frozenset(map(chr, range(value[0], value[1] + 1)))
    if kind is constants.CATEGORY:
        return DIGITS
    return frozenset(chr(value))


def _pattern(meta: Any, kind: str) -> str | None:
    found = getattr(meta, kind)
    pattern: str | None = found.national_number_pattern if found else None
    return None if pattern == "NA" else pattern


def _all(meta: Any, longest: int) -> set[str]:
    return heads(_pattern(meta, "fixed_line"), longest) | heads(_pattern(meta, "mobile"), longest)


def zone(region: str, name: str) -> dict[str, Any]:
    """One region as it stands in the file."""
    meta: Any = PhoneMetadata.metadata_for_region(region)
    code = str(meta.country_code)
    sharing = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[meta.country_code]
    own = {""}
    if code == "1":
        own = heads(meta.leading_digits, 3) or _all(meta, 3)
        own |= heads(_pattern(meta, "toll_free"), 3) if region == sharing[0] else set()
    elif region != sharing[0]:
        main: Any = PhoneMetadata.metadata_for_region(sharing[0])
        own = heads(meta.leading_digits, 5) or _all(meta, 5) - _all(main, 5)
    # Three digits of +1 are an area: its pagers stay what the area is.
    kinds, depth = (PREMIUM[:-1], 3) if code == "1" else (PREMIUM, 6)
    premium = {head for kind in kinds for head in heads(_pattern(meta, kind), depth)} - {""}
    every = [PhoneMetadata.metadata_for_region(other) for other in sharing]
    first = {one for other in every for one in heads(_pattern(other, "general_desc"), 1)}
    international = meta.preferred_international_prefix or meta.international_prefix or ""
    short = PhoneMetadata.short_metadata_for_region(region)
    return {
        "name": name,
        "code": code,
        "prefixes": sorted(code + head for head in shortest(own)),
        "premium": sorted(code + head for head in shortest(premium)),
        "never": [code + digit for digit in ("01" if code == "1" else "0") if digit not in first],
        "international": _digits(international) or "00",
        "national": _digits(meta.national_prefix or ""),
        "bare": not meta.national_prefix or code == "1",
        "emergency": sorted(_whole(_pattern(short, "emergency"))) if short else [],
    }


def _digits(text: str) -> str:
    plain = text.replace("~", "")
    return plain if re.fullmatch(r"[0-9]{1,6}", plain) else ""


def _whole(pattern: str | None) -> set[str]:
    if not pattern:
        return set()
    every = _sequences(list(parser.parse(pattern)), 7)
    found = {"".join(digits) for sets in every for digits in product(*sets)}
    return {one for one in found if re.fullmatch(pattern, one)}


def names() -> dict[str, str]:
    """Region → name."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    found = dict(line.split("\t")[:2] for line in lines if line and not line.startswith("#"))
    # Codes that ISO 3166 reserves, and libphonenumber uses.
    return found | {
        "AC": "Ascension", "GB": "United Kingdom", "TA": "Tristan da Cunha", "XK": "Kosovo",
    }  # fmt: skip


def main() -> int:
    """Write the file."""
    known = names()
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    zones = {region: zone(region, known[region]) for region in regions}
    # A region whose numbers can't be told from another's is reached with that one.
    zones = {region: one for region, one in zones.items() if one["prefixes"]}
    for code, name in WORLD.items():
        zones[code] = {
            "name": name, "code": code, "prefixes": [code], "premium": [], "never": [],
            "international": "00", "national": "", "bare": False, "emergency": [],
        }  # fmt: skip
    source = (
        f"libphonenumber's metadata in phonenumbers {phonenumbers.__version__}; names of the tz "
        "database's iso3166.tab"
    )
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    # A line a zone, so that a difference can be read.
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(one)}" for key, one in zones.items())
    head = f'{{"source": {json.dumps(source)}, "date": {json.dumps(date)}, "zones": {{\n'
    FILE.write_text(f"{head}{lines}\n}}}}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
