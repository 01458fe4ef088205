"""A public authority's certificate in place of our own: files that an ACME client keeps fresh."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from django.conf import settings

from ddiweb.deploy.errors import Refused
from peers.tls import authority


def read() -> str:
    """Return ``DDIWEB_TLS_CERTIFICATE`` (with its chain) and ``DDIWEB_TLS_KEY`` as one PEM text.

    Raises Refused if one can't be read or they do not belong together.
    """
    try:
        chain = Path(settings.TLS_CERTIFICATE).read_text()
        key = Path(settings.TLS_KEY).read_text()
    except (OSError, ValueError) as error:
        raise Refused(f"DDIWEB_TLS_CERTIFICATE, DDIWEB_TLS_KEY: can't be read: {error}") from error
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise Refused("DDIWEB_TLS_KEY: is no key without a password in PEM") from None
    if private.public_key() != authority.parse(chain).public_key():
        raise Refused("DDIWEB_TLS_KEY: is not the key of DDIWEB_TLS_CERTIFICATE")
    return chain.rstrip("\n") + "\n" + key
