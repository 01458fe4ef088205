"""JSON bodies of a bounded size, without names that stand twice."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

#: Bytes; a trunk with a thousand networks needs a tenth of it.
LARGEST_BODY = 1024 * 1024


class TooLarge(APIException):
    """The body is larger than anything the API takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {LARGEST_BODY} bytes; send less at a time."
    default_code = "too_large"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("A name stands twice in one JSON object; write each once.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class BoundedJSONParser(JSONParser):
    """RFC 8259, strictly: which of two equal names counts must not be a matter of taste."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value; raises TooLarge or ParseError."""
        body = BytesIO(stream.read(LARGEST_BODY + 1)).getvalue()
        if len(body) > LARGEST_BODY:
            raise TooLarge
        try:
            return json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from None
