"""One shape for every error of the API."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Hand over to DRF."""
    return drf_handler(error, context)
