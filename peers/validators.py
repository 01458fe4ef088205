"""Checks of one field that only telephony knows; rules between rows stand in ``rules``."""

import re

from django.core.exceptions import ValidationError

from ddiweb.validators import Pattern, plain_text
from peers.choices import Codec


def known_codecs(value: object) -> None:
    """Accept a non-empty list of known codecs without repeats."""
    known = set(Codec.values)
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise ValidationError("name at least one codec, each once", code="codecs")
    for codec in value:
        if codec not in known:
            raise ValidationError(
                f"{codec!r} is not a codec here; choose from {', '.join(sorted(known))}",
                code="codecs",
            )


#: RFC 1123, 2.1; at least one dot, and no number at the end: that would be an address.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"\A(?=.{{3,253}}\Z)({_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}\Z")


def is_host(value: str) -> bool:
    """Whether ``value`` is a full name in its one spelling, such as sip.example.net."""
    return bool(_HOST.match(value))


def canonical_host(value: str) -> str:
    """Return a full host name in small letters, without the dot at its end.

    Raises ValidationError for anything else: a lookup must not depend on a search list.
    """
    plain_text(value)
    name = value.strip().removesuffix(".").lower()
    if not is_host(name):
        raise ValidationError(
            "this is no full host name; write one such as sip.example.net (of an SRV record the "
            "domain alone, without _sip._udp; an address belongs to the networks)",
            code="host_name",
        )
    return name


def host_name(value: str) -> None:
    """Refuse what ``canonical_host`` refuses."""
    canonical_host(value)


#: What an app takes as a password, and every file that sets one up carries as it is.
sip_password = Pattern(
    r"[A-Za-z0-9._~!*+=-]{12,64}",
    "use 12 to 64 letters, digits or ._~!*+=-; leave it to ddiweb to make one",
)
