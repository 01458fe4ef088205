"""Checks for values that will one day stand in a SIP header, a database row or a rule.

Each refusal names the value's fault and the remedy. All are anchored with ``\\A`` and ``\\Z``:
``$`` would also accept a trailing newline.
"""

import ipaddress
import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.deconstruct import deconstructible

#: No network wider than this is let in as a vendor or a manager (prefix lengths).
WIDEST_IPV4 = 8
WIDEST_IPV6 = 16


def plain_text(value: str) -> None:
    """Refuse control characters, line and paragraph separators and surrogates.

    They would split an AMI message, a log line or a rule in two.
    """
    for character in value:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
            raise ValidationError(
                f"holds the control character U+{ord(character):04X}; "
                "type it on one line, without tabs, newlines or invisible characters",
                code="control_character",
            )


def realtime_text(value: str) -> None:
    """Refuse what Asterisk's realtime drivers or dialplan would read as more than text.

    ``;`` and ``^`` split and escape values in the realtime drivers, a comma separates dialplan
    arguments, ``${…}`` is a variable, quotes and backslashes escape (Asterisk documentation,
    "Realtime" and "Variables").
    """
    plain_text(value)
    for character in ";^,\"'\\`$<>{}":
        if character in value:
            raise ValidationError(
                f"holds {character!r}, which Asterisk could read as more than text; remove it",
                code="forbidden_character",
            )


def vendor_password(value: str) -> None:
    """Refuse what the realtime drivers or Asterisk would not carry as it is in a secret.

    A vendor chooses this password, so more is allowed than in a name; the value is never repeated.
    """
    plain_text(value)
    if value != value.strip():
        raise ValidationError(
            "begins or ends with a blank, which Asterisk would lose; copy it without the blank",
            code="blank",
        )
    for part in (*";^,\"'\\`", "${", "$["):
        if part in value:
            raise ValidationError(
                f"holds {part!r}, which Asterisk could read as more than text; "
                "ask the vendor for another password",
                code="forbidden_character",
            )


@deconstructible
class Pattern:
    """Accept only what matches ``expression`` from the first to the last character."""

    def __init__(self, expression: str, remedy: str) -> None:
        self.expression = expression
        self.remedy = remedy

    def __call__(self, value: str) -> None:
        plain_text(value)
        if not re.fullmatch(self.expression, value):
            # The value stays unsaid: it may be a secret, and whoever typed it sees it anyway.
            raise ValidationError(f"this can't be used here: {self.remedy}", code="pattern")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.expression == other.expression

    def __hash__(self) -> int:
        return hash(self.expression)


#: RFC 3261 allows more in a user part; these are what every app and our renderers carry unescaped.
#: Small letters only: phones capitalise what is typed, and SIP compares users case by case.
sip_username = Pattern(
    r"(?!.*ddi-[a-z2-7]{8}-)[a-z0-9_.-]{3,40}",
    "use 3 to 40 small letters, digits, dots, hyphens or underscores, and nothing like a token "
    "(ddi-…-)",
)
vendor_username = Pattern(
    r"[A-Za-z0-9_.+-]{1,64}",
    "use 1 to 64 letters, digits, dots, pluses, hyphens or underscores",
)
slug = Pattern(
    r"[a-z][a-z0-9-]{0,31}", "use up to 32 small letters, digits and hyphens, a letter first"
)
e164 = Pattern(
    r"\+[1-9][0-9]{6,14}",
    "write it in E.164: a plus, the country code and the number, such as +442079460123",
)
hostname = Pattern(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    "write a host name or an IPv4 address, such as sip.example.net",
)


def no_token(value: str) -> None:
    """Refuse what looks like a token's beginning: whoever knew the name would have half of it."""
    if re.search(r"ddi-[a-z2-7]{8}-", value):
        raise ValidationError(
            "this looks like a phone's token (ddi-…-): choose another name", code="token"
        )


def canonical_network(value: str) -> str:
    """Return ``value`` as a canonical CIDR (``203.0.113.7`` becomes ``203.0.113.7/32``).

    Raises ValidationError for anything that is not one, has host bits set, has a leading zero
    (some tools read it as octal) or is so wide that it would open the door to strangers.
    """
    plain_text(value)
    text = value.strip()
    try:
        if "%" in text:
            raise ValueError("it names a zone, which means something on one host only")
        network = ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        raise ValidationError(
            f"{text!r} is not a network ({error}); write an address or a CIDR such as "
            "203.0.113.0/24 or 2001:db8::/48",
            code="network",
        ) from None
    widest = WIDEST_IPV4 if network.version == 4 else WIDEST_IPV6
    if network.prefixlen < widest:
        raise ValidationError(
            f"{network} is too wide: it would let strangers in; name networks of /{widest} "
            "or narrower",
            code="too_wide",
        )
    if network.version == 6 and int(network.network_address) >> 48 == 0:
        # ::ffff:0:0/96 and the like: no packet on the wire carries them, and no rule may.
        raise ValidationError(
            f"{network} is an IPv4 address in IPv6 form; write it as IPv4", code="mapped_network"
        )
    if network.is_multicast or network.is_loopback or network.is_link_local:
        raise ValidationError(
            f"{network} is a loopback, link-local or multicast network; name the addresses that "
            "packets really come from",
            code="special_network",
        )
    return str(network)


def network(value: str) -> None:
    """Refuse what ``canonical_network`` refuses."""
    canonical_network(value)
