"""Where a request really came from: sign-in attempts and anonymous requests are counted by it."""

import ipaddress
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: The address that asks now; None outside of a request, and for this machine itself.
asking: ContextVar[str | None] = ContextVar("asking", default=None)


def address(request: HttpRequest) -> str:
    """The peer's address; behind our proxy, the last one in X-Forwarded-For, which it appended.

    What stands before that was written by the client, who could give himself a new address with
    every attempt, or a neighbour's.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.BEHIND_PROXY:
        return peer
    return str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip() or peer


class AskingMiddleware:
    """Notes for a deployment which address asked for it, so that it is not shut out unnoticed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set it for the time of the request."""
        before = asking.set(_foreign(address(request)))
        try:
            return self._get_response(request)
        finally:
            asking.reset(before)


def _foreign(text: str) -> str | None:
    """The address in canonical form, unless it is this machine's own or none at all."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None) or found
    return None if mapped.is_loopback or getattr(mapped, "scope_id", None) else str(mapped)
