"""API tokens: stored as a hash, shown once (django-rest-knox)."""

from knox.auth import TokenAuthentication


class ApiTokenAuthentication(TokenAuthentication):
    """``Authorization: Token …``."""
