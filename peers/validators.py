"""Checks of one field that only telephony knows; rules between rows stand in ``rules``."""

from django.core.exceptions import ValidationError

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
