"""One shape for every error of the API: problem details (RFC 9457).

``{"type", "title", "status", "detail", "errors": [{"field", "code", "message"}]}``. ``type`` is
what a program tests; it names the kind of the problem and never changes. ``field`` is a dotted
path, such as ``networks.0.cidr``; empty if the fault is the whole body's.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler as drf_handler

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:problem:ddiweb:"
#: Status → last part of ``type`` and ``title``.
KINDS: dict[int, tuple[str, str]] = {
    400: ("invalid", "The request can't be used as it is"),
    401: ("unauthenticated", "Who asks is not known"),
    403: ("forbidden", "This user may not do that"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "This can't be done here"),
    406: ("not-acceptable", "The answer can't be given in that format"),
    409: ("conflict", "It does not fit what is there"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body's format is not understood"),
    429: ("throttled", "Too many requests"),
    500: ("internal", "A defect in ddiweb"),
    503: ("unavailable", "Something that is needed can't be reached"),
}


class Conflict(APIException):
    """The wish is well-formed, and what is there stands against it."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "Somebody else changed this at the same moment; read it again and repeat."
    default_code = "conflict"


class Unavailable(APIException):
    """The database can't be reached, or is busy for too long."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database can't be reached now; nothing was changed. Try again shortly."
    default_code = "unavailable"
    wait = 5


class Defect(APIException):
    """What nobody foresaw; the log has the rest."""

    default_detail = "Nothing was changed. The server's log says more."
    default_code = "internal"


def from_django(error: DjangoValidationError) -> exceptions.ValidationError:
    """Turn a model's or a rule's refusal into the API's, with the name of the field."""
    if not hasattr(error, "error_dict"):
        return exceptions.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: _details(error)})
    found: dict[str, list[ErrorDetail]] = {}
    for field, errors in error.error_dict.items():
        for one in errors:
            name = _field_of(one) if field == NON_FIELD_ERRORS else field
            found.setdefault(name, []).extend(_details(one))
    return exceptions.ValidationError(found)


def _field_of(error: DjangoValidationError) -> str:
    """The field of a constraint over several: the last one, which is the one that people name."""
    together = (error.params or {}).get("unique_check")
    return str(together[-1]) if together else api_settings.NON_FIELD_ERRORS_KEY


def _details(error: DjangoValidationError) -> list[ErrorDetail]:
    found = []
    for one in error.error_list:
        text = str(one.message % one.params if one.params else one.message)
        if one.code in {"unique", "unique_together"}:
            text = f"{text} Choose another."
        found.append(ErrorDetail(text, code=one.code or "invalid"))
    return found


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for name, value in detail.items():
            own = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
            yield from _flatten(value, ".".join(part for part in (path, own) if part))
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            inside = isinstance(value, dict | list)
            yield from _flatten(value, f"{path}.{index}" if inside and path else path)
    else:
        yield {
            "field": path,
            "code": str(getattr(detail, "code", None) or "invalid"),
            "message": str(detail),
        }


def _known(error: Exception) -> APIException:
    """The API's own error for ``error``."""
    found: APIException = Defect()
    match error:
        case APIException():
            found = error
        case Http404():
            found = exceptions.NotFound()
        case PermissionDenied():
            found = exceptions.PermissionDenied()
        case DjangoValidationError():
            found = from_django(error)
        case ProtectedError():
            names = sorted({str(row) for row in error.protected_objects})
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            found = Conflict(f"Still in use by {shown}; delete or change these first.")
        case IntegrityError():
            found = Conflict()
        case OperationalError() | InterfaceError():
            found = Unavailable()
        case RecursionError():
            found = exceptions.ParseError("The body is nested too deeply.")
    return found


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every error with problem details; a defect too, and the log has its traceback."""
    known = _known(error)
    if isinstance(known, Defect):
        log.error("a defect in the API", exc_info=error)
    response = drf_handler(known, context)
    if response is None:  # pragma: no cover - DRF answers every APIException
        return None
    response.data = problem(known)
    response.content_type = MEDIA_TYPE
    return response


def problem(error: APIException) -> dict[str, Any]:
    """The body for ``error``."""
    kind, title = KINDS.get(error.status_code, ("other", "The request failed"))
    invalid = isinstance(error, exceptions.ValidationError)
    errors = list(_flatten(error.detail)) if invalid else []
    if invalid:
        detail = "; ".join(
            f"{one['field']}: {one['message']}" if one["field"] else one["message"]
            for one in errors[:3]
        )
    else:
        detail = str(error.detail)
    return {
        "type": TYPE + kind,
        "title": title,
        "status": error.status_code,
        "detail": detail,
        "errors": errors,
    }
