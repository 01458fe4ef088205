"""What drf-spectacular can't see by itself: our authentication, and the shape of errors."""

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme

from ddiweb.api.errors import KINDS, MEDIA_TYPE, TYPE


class ApiTokenScheme(KnoxTokenScheme):
    """``Authorization: Token …`` in Swagger UI's “Authorize”."""

    target_class = "ddiweb.api.authentication.ApiTokenAuthentication"
    name = "apiToken"


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). Test `type`; show `detail` to people.",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "enum": [TYPE + kind for kind, _ in KINDS.values()]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "One entry a refused value; empty for other problems.",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "Dotted path, such as networks.0.cidr; empty for the whole.",
                    },
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation its errors (a hook of drf-spectacular)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for path, operations in result["paths"].items():
        for verb, operation in operations.items():
            for status in _statuses(path, verb):
                operation["responses"].setdefault(
                    str(status),
                    {
                        "description": KINDS[status][1],
                        "content": {
                            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
                        },
                    },
                )
    return result


def _statuses(path: str, verb: str) -> list[int]:
    found = {400, 401, 403, 429, 503}
    if "{" in path or verb == "get":
        found.add(404)
    if verb != "get":
        found |= {409, 413, 415}
    return sorted(found)
