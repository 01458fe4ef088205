"""The first page and the piece of it that renews itself."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ddiweb.live import dashboard


def board(request: HttpRequest) -> HttpResponse:
    """The living part of the first page."""
    return render(request, "dashboard/board.html", {"board": dashboard.read(request.user)})


def context(request: HttpRequest) -> dict[str, Any]:
    """What the first page needs."""
    return {"board": dashboard.read(request.user)}
