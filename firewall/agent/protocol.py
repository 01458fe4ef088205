"""The wire: a 4-byte big-endian length, then that many bytes of one JSON object; both ways.

Strict: 4 MiB at most, one deadline for the whole message, no duplicate keys, no fraction, no number
where a boolean came, no field that the verb does not know.
"""

import ipaddress
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from ddiweb.deploy.errors import DeployError, Failed, Refused, Retryable
from firewall.ruleset.types import Token
from firewall.ruleset.values import Invalid, record, whole

VERSION = 1
LIMIT = 4 * 1024 * 1024  # bytes
MAX_AMENDED = 64  # tokens; more of them are sooner in force by a whole intent
SECONDS = 5.0  # for a whole message
_HEAD = struct.Struct(">I")
_MAX_FENCE = (1 << 63) - 1

_FIELDS: dict[str, frozenset[str]] = {
    "apply": frozenset({"fence", "intent"}),
    "amend": frozenset({"add", "drop", "fence"}),
    "plan": frozenset({"intent"}),
    "status": frozenset(),
    "confirm": frozenset({"fence"}),
    "cut": frozenset({"marks"}),
    "counters": frozenset(),
    "rollback": frozenset({"fence"}),
    "probe": frozenset({"intent", "packets"}),
    "revoke": frozenset({"fence", "marks"}),
    "jail": frozenset({"entries"}),
    "unjail": frozenset({"networks"}),
    "jailed": frozenset(),
    "whose": frozenset({"address", "port"}),
    "places": frozenset(),
}
_OPTIONAL: dict[str, frozenset[str]] = {"apply": frozenset({"hold", "requested_from", "window"})}
_LONGEST_TRIAL = 3600  # seconds


class Hangup(Exception):  # noqa: N818 - it names what the peer did
    """The peer closed, stalled, or sent what no answer can follow."""


def receive(
    connection: socket.socket,
    *,
    limit: int = LIMIT,
    seconds: float = SECONDS,
    admit: Callable[[int, float], None] = lambda size, seconds: None,
) -> bytes:
    """One message's bytes; raises `Hangup` on a silent or closed peer, `Refused` if too long.

    `admit` is told the size and the seconds left before the body is read, and may raise.
    """
    deadline = time.monotonic() + seconds
    (size,) = _HEAD.unpack(_exactly(connection, _HEAD.size, deadline))
    if not 0 < size <= limit:
        raise Invalid("message", f"is {size} bytes long", f"send 1 to {limit}")
    admit(size, deadline - time.monotonic())
    return _exactly(connection, size, deadline)


def send(connection: socket.socket, answer: dict[str, Any], *, seconds: float = SECONDS) -> None:
    """Write one message; raises OSError if the peer does not take it in time."""
    body = json.dumps(answer, separators=(",", ":")).encode()
    connection.settimeout(seconds)
    connection.sendall(_HEAD.pack(len(body)) + body)


def decode(body: bytes) -> dict[str, Any]:
    """The request as a dict with exactly the verb's fields; raises `Invalid`."""
    try:
        raw = json.loads(  # of bytes it would also take UTF-16 and UTF-32
            body.decode("utf-8"),
            object_pairs_hook=_distinct,
            parse_constant=_constant,
            parse_float=_constant,
        )
    except RecursionError:
        raise Invalid("message", "is nested too deeply", "send the documented object") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Invalid("message", f"is not JSON ({type(error).__name__})", "send JSON") from None
    if not isinstance(raw, dict):
        raise Invalid("message", "is not an object", "send an object")
    if type(raw.get("v")) is not int or raw["v"] != VERSION:
        raise Invalid("v", "is not 1", "update agent and panel to the same version")
    verb = raw.get("verb")
    if not isinstance(verb, str) or verb not in _FIELDS:
        raise Invalid("verb", "is unknown", f"send one of {', '.join(_FIELDS)}")
    fields = _FIELDS[verb]
    given = raw.keys() - {"v", "verb"}
    if given - fields - _OPTIONAL.get(verb, frozenset()):
        raise Invalid("message", "has a field that this verb does not know", "leave it out")
    if fields - given:
        raise Invalid(sorted(fields - given)[0], "is missing", "send every field of the verb")
    if "fence" in fields:
        whole(raw["fence"], "fence", 0, _MAX_FENCE)
    if "window" in raw:
        whole(raw["window"], "window", 0, _LONGEST_TRIAL)
    if raw.get("requested_from") is not None:
        _address(raw["requested_from"])
    if type(raw.get("hold", False)) is not bool:
        raise Invalid("hold", "is neither true nor false", "give one of them")
    return raw


def _address(raw: object) -> None:
    try:
        if isinstance(raw, str) and len(raw) < 46 and str(ipaddress.ip_address(raw)) == raw:
            return
    except ValueError:
        pass
    raise Invalid("requested_from", "is not an address in canonical form", "give one, or null")


def marks(raw: object, field: str = "marks") -> list[int]:
    """The list of a `cut`; raises `Invalid`."""
    if not isinstance(raw, list) or len(raw) > 4096:
        raise Invalid(field, "is not a list of at most 4096", "send a list of marks")
    return [whole(mark, f"{field}[{index}]", 1, (1 << 20) - 1) for index, mark in enumerate(raw)]


def amendment(raw: dict[str, Any]) -> tuple[list[Token], list[int], int]:
    """What to add, what to drop, and the fence of an `amend`; raises `Invalid`."""
    add = raw["add"]
    if not isinstance(add, list) or len(add) > MAX_AMENDED:
        raise Invalid("add", f"is not a list of at most {MAX_AMENDED}", "send an apply")
    tokens = [
        Token(**record(one, f"add[{index}]", ["mark", "value"])) for index, one in enumerate(add)
    ]
    return tokens, marks(raw["drop"], "drop"), raw["fence"]


def error_answer(error: DeployError) -> dict[str, Any]:
    """The reply that carries a decision: refused, retryable or failed."""
    kind = "failed"
    if isinstance(error, Refused):
        kind = "refused"
    elif isinstance(error, Retryable):
        kind = "retryable"
    elif not isinstance(error, Failed):
        kind = "failed"
    field = error.field if isinstance(error, Invalid) else str(error).partition(":")[0][:40]
    return {"ok": False, "error": {"kind": kind, "field": field, "message": str(error)}}


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Hangup("too slow")
        connection.settimeout(left)
        try:
            part = connection.recv(min(size - len(parts), 65_536))
        except OSError as error:
            raise Hangup(type(error).__name__) from None
        if not part:
            raise Hangup("closed")
        parts += part
    return bytes(parts)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("message", "has a key twice", "send each key once")
    return found


def _constant(name: str) -> Any:
    raise Invalid("message", "holds a number that is not whole", "send integers")
