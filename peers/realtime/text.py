"""Checks for text on its way into a realtime row, the last before the database.

The realtime drivers split values at ``;`` and decode ``^3B`` (Asterisk, res_config_pgsql.c), and
PostgreSQL's driver strips trailing blanks: what a driver would change is refused, not escaped.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable

from ddiweb.deploy.errors import Refused
from ddiweb.redact import redacted

#: A name that we gave in Asterisk: of a trunk, a peer, a schedule, a mailbox.
KEY = re.compile(r"\A[a-z0-9_]{1,40}\Z")

#: Characters that a name shown to people may not hold: drivers, dialplan or SIP would read them.
DISPLAY_FORBIDDEN = ";^,\"'\\`$<>{}"
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
_HOST = re.compile(
    r"\A(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)


def refuse(field: str, fault: str, remedy: str) -> Refused:
    """Return the error for ``field``; it never repeats the value, which may be a secret."""
    return Refused(f"{field}: {fault}; {remedy}")


def row_text(field: str, value: str) -> str:
    """Return ``value`` if both realtime drivers and Asterisk read it as it is.

    Raises Refused for ``;``, ``^``, ``${``, ``$[``, control characters and blanks at either end.
    """
    for character in value:
        if unicodedata.category(character) in _CONTROL:
            raise refuse(
                field,
                f"holds the control character U+{ord(character):04X}",
                "type it on one line, without tabs or newlines",
            )
        if character in ";^":
            raise refuse(field, f"holds {character!r}", "Asterisk would split it there: remove it")
    for opening in ("${", "$["):
        if opening in value:
            # Looked-up values are not substituted (proved); no row needs to count on that.
            raise refuse(field, f"holds {opening!r}", "it would begin a variable: remove it")
    if value != value.strip():
        raise refuse(field, "begins or ends with a blank", "remove the blank")
    return value


def display_text(field: str, value: str, longest: int = 80) -> str:
    """Return ``value`` if it is fit for a name; raises Refused (also over ``longest``)."""
    row_text(field, value)
    for character in value:
        if character in DISPLAY_FORBIDDEN:
            raise refuse(field, f"holds {character!r}", "it could be read as more than text")
    if len(value) > longest:
        raise refuse(field, f"is longer than {longest} characters", "shorten it")
    return value


def matches(field: str, pattern: re.Pattern[str], value: str, remedy: str) -> str:
    """Return ``value`` if ``pattern`` matches all of it; raises Refused."""
    row_text(field, value)
    if not pattern.fullmatch(value):
        raise refuse(field, "has not the form that is needed", remedy)
    return value


def network(field: str, value: str) -> str:
    """Return a canonical CIDR that differs from ``value`` in nothing; raises Refused.

    ``/0`` and networks so wide that they would identify strangers as the vendor are refused
    (IPv4 wider than /8, IPv6 wider than /16).
    """
    row_text(field, value)
    try:
        parsed = ipaddress.ip_network(value, strict=True)
    except ValueError:
        raise refuse(field, "is not a network", "write a CIDR such as 203.0.113.0/24") from None
    if parsed.prefixlen < (8 if parsed.version == 4 else 16):
        raise refuse(field, "is too wide", "name the vendor's own networks")
    return str(parsed)


def host(field: str, value: str) -> str:
    """Return a host name or address, an IPv6 address in brackets as a SIP URI needs it.

    Raises Refused; RFC 3261 section 25.1, ``hostport``.
    """
    row_text(field, value)
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value):
            raise refuse(field, "is no host", "write a name or an address") from None
        return value
    return f"[{address}]" if address.version == 6 else str(address)


def between(field: str, value: int, low: int, high: int) -> int:
    """Return ``value`` if it is an integer in ``low..high``; raises Refused."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refuse(field, f"is not a whole number from {low} to {high}", "correct it")
    return value


def unique(field: str, values: Iterable[str]) -> None:
    """Refuse a value that stands twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise refuse(field, f"{redacted(value)} stands twice", "remove one")
        seen.add(value)
