"""Model fields that ddiweb needs and Django lacks."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from ddiweb.validators import canonical_network, network


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """The cipher of all secrets at rest; its keys come from ``DDIWEB_FIELD_KEYS``."""
    return _fernet(tuple(settings.FIELD_KEYS))


class UndecipherableError(RuntimeError):
    """No key of ``DDIWEB_FIELD_KEYS`` opens this value: a key was dropped too early."""


class EncryptedTextField(models.TextField):
    """Text that is stored as a Fernet message (AES-128-CBC with HMAC) and read in clear.

    It can't be filtered on. Rotate keys by putting a new one first and re-saving
    (``manage.py reencrypt``). Raises UndecipherableError on read without a fitting key.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way to the database; empty stays empty."""
        text = super().get_prep_value(value)
        return cipher().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        """Decrypt on the way from the database."""
        if not value:
            return value
        try:
            return cipher().decrypt(value.encode()).decode()
        except InvalidToken as error:
            raise UndecipherableError(
                f"{self.model.__name__}.{self.name}: no key of DDIWEB_FIELD_KEYS opens it; "
                "add the key that it was written with"
            ) from error

    def get_lookup(self, lookup_name: str) -> Any:
        """Allow only tests for emptiness: ciphertext never equals itself."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class NetworkField(models.CharField):
    """A canonical CIDR of either family; see ``validators.canonical_network``."""

    default_validators = [network]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 43)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Return the canonical spelling, so that one network has one row."""
        text = super().to_python(value)
        return canonical_network(text) if text else text
