"""API tokens: stored as a hash, shown once (django-rest-knox)."""

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from ddiweb.api.models import ApiToken


class ApiTokenAuthentication(TokenAuthentication):
    """``Authorization: Token …``.

    A read-only token is refused here, before any view is asked, so that no view can forget to.
    """

    def authenticate(self, request: Request) -> tuple[object, ApiToken] | None:
        """Return the token's user and the token, or None if the request carries none."""
        found: tuple[object, ApiToken] | None = super().authenticate(request)
        if found is None:
            return None
        token = found[1]
        if token.read_only and request.method not in SAFE_METHODS:
            raise PermissionDenied(_("This token is read-only; use one that may write."))
        return found

    def authenticate_credentials(self, token: bytes) -> tuple[object, ApiToken]:
        """Find the token by its hash, in one query; an expired one stays listed, and is refused."""
        try:
            digest = hash_token(token.decode("ascii"))
        except UnicodeDecodeError:
            raise AuthenticationFailed(_("Invalid token.")) from None
        row = ApiToken.objects.select_related("user").filter(pk=digest).first()
        if row is None or row.expired:
            raise AuthenticationFailed(_("Invalid token."))
        found: tuple[object, ApiToken] = self.validate_user(row)
        row.used()
        return found
