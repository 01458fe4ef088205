"""The address of an outside look-up: pure checks, and the one place where digits go into it."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

PLACE = "{number}"
LONGEST = 300
#: RFC 3986, 2.2 and 2.3, with the percent sign; no brackets but around an IPv6 address.
_CHARACTERS = re.compile(r"\A[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%{}-]*\Z")
_HOST = re.compile(
    r"\A(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
DIGITS = re.compile(r"\A[1-9][0-9]{2,14}\Z")


def split(url: str) -> SplitResult:
    """Return the parts of a template. Raises ValueError with its fault and the remedy."""
    if len(url) > LONGEST or not _CHARACTERS.fullmatch(url):
        raise ValueError(f"is no URL of at most {LONGEST} plain characters; copy it anew")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL; write one such as https://names.example/{number}") from None
    if parts.scheme not in ("https", "http"):
        raise ValueError("begins neither with https:// nor with http://; write one of them")
    if "@" in parts.netloc:
        raise ValueError("holds an account; take it out, and choose how to sign in below")
    if port == 0 or not _is_host(parts.hostname or ""):
        raise ValueError("names no host; write one such as https://names.example/{number}")
    if parts.fragment:
        raise ValueError("holds a #, which no server sees; take it out with what follows")
    if url.count(PLACE) != 1 or (parts.path + parts.query).count(PLACE) != 1:
        raise ValueError("needs {number} once, behind the host, where the caller's digits go")
    if set("{}") & set(url.replace(PLACE, "")):
        raise ValueError("holds a bracket other than that of {number}; take it out")
    return parts


def origin(url: str) -> tuple[str, str, int]:
    """Who is asked: scheme, host and port (RFC 6454, 4). Raises ValueError as ``split``."""
    parts = split(url)
    return (
        parts.scheme,
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host))
    return "%" not in host


def target(parts: SplitResult, digits: str) -> str:
    """What is asked for: path and query with ``digits`` (E.164 without its plus) in their place.

    Raises ValueError for what are no digits: nothing else of a caller ever leaves this machine.
    """
    if not DIGITS.fullmatch(digits):
        raise ValueError("is no number")
    asked = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return asked.replace(PLACE, digits)
