"""Where a request really came from: sign-in attempts and anonymous requests are counted by it."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The peer's address; behind our proxy, the last one in X-Forwarded-For, which it appended.

    What stands before that was written by the client, who could give himself a new address with
    every attempt, or a neighbour's.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.BEHIND_PROXY:
        return peer
    return str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip() or peer
