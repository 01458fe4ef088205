"""What a new trunk or peer begins with."""

import secrets

from ddiweb.deploy.models import BASE32
from peers.choices import Codec

#: 26 base32 characters carry 130 bits.
PASSWORD_LENGTH = 26


def new_password() -> str:
    """Return a random SIP password of 130 bits that can be typed on a phone."""
    return "".join(secrets.choice(BASE32) for _ in range(PASSWORD_LENGTH))


def default_codecs() -> list[str]:
    """Codecs that every vendor and phone understands, the better ones first."""
    return [Codec.OPUS, Codec.G722, Codec.ALAW, Codec.ULAW]


def trunk_codecs() -> list[str]:
    """Codecs of the telephone network."""
    return [Codec.ALAW, Codec.ULAW]
