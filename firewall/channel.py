"""The client of the firewall agent: one Unix connection a request, decisions as exceptions."""

import contextlib
import json
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ddiweb.deploy.errors import DeployError, Failed, Refused, Retryable
from firewall.ruleset.types import Token

_HEAD = struct.Struct(">I")
_LIMIT = 16 * 1024 * 1024  # bytes of an answer: a plan of 50,000 tokens
_KINDS: Mapping[str, type[DeployError]] = {
    "refused": Refused,
    "retryable": Retryable,
    "failed": Failed,
}


class SendsJson(Protocol):
    """An intent (`firewall.ruleset.types.Intent`) or a packet (`firewall.ruleset.packet`)."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""


class AgentChannel:
    """Speaks to the agent at `path`; `timeout` in seconds covers each wait of a request.

    Each method raises `Retryable` when the agent can't be reached or is busy, `Refused` when it
    changed nothing, `Failed` when the rules are not as wanted. The exception's `field` names the
    value at fault.
    """

    def __init__(self, path: Path | str, timeout: float = 60.0) -> None:
        self._path = str(path)
        self._timeout = timeout

    def apply(
        self,
        intent: SendsJson,
        fence: int,
        window: int = 0,
        *,
        hold: bool = False,
        requested_from: str | None = None,
    ) -> dict[str, Any]:
        """Bring an intent into force: `changed`, `digest`, `rules` (counts by family).

        What could lock an administrator out is only tried for `window` seconds, unless that is 0:
        `trial` then holds `seconds` and `changes` in plain words. With `hold` what nobody
        confirmed the last time is not tried again: `held` names it. It is `Refused` if
        `requested_from`, an address, gets in now and would not after.
        """
        options = {"window": window, "hold": hold, "requested_from": requested_from}
        return self._ask("apply", intent=intent.to_json(), fence=fence, **options)

    def confirm(self, fence: int) -> dict[str, Any]:
        """Keep what was applied on trial under `fence`; `Refused` without a new connection."""
        return self._ask("confirm", fence=fence)

    def amend(self, add: Iterable[Token], drop: Iterable[int], fence: int) -> dict[str, Any]:
        """Let tokens in and shut marks out of the rules in force at once; changes nothing else."""
        tokens = [{"mark": token.mark, "value": token.value} for token in add]
        return self._ask("amend", add=tokens, drop=list(drop), fence=fence)

    def plan(self, intent: SendsJson) -> list[str]:
        """What `apply` would change, one redacted line each; empty: nothing."""
        lines: list[str] = self._ask("plan", intent=intent.to_json())["lines"]
        return lines

    def status(self) -> dict[str, Any]:
        """What is in force, read from the kernel: `digest`, `in_force`, `counters`, `drift`, …"""
        return self._ask("status")

    def counters(self) -> dict[str, Any]:
        """Packets by `totals[kind][key]` since the agent's `epoch` began."""
        return self._ask("counters")

    def cut(self, marks: Iterable[int]) -> int:
        """End the live flows of these tokens; returns how many were found."""
        count: int = self._ask("cut", marks=list(marks))["cut"]
        return count

    def revoke(self, marks: Iterable[int], fence: int) -> dict[str, Any]:
        """Shut these tokens out of the rules that are in force, and change nothing else."""
        return self._ask("revoke", marks=list(marks), fence=fence)

    def jail(self, seconds: Mapping[str, int]) -> dict[str, str]:
        """Shut networks out for so many seconds each, now, and end their flows.

        Returns those that the agent would not, with its reason. No fence: it changes no rule.
        """
        entries = [{"network": net, "seconds": left} for net, left in seconds.items()]
        refused: dict[str, str] = self._ask("jail", entries=entries)["refused"]
        return refused

    def unjail(self, networks: Iterable[str]) -> None:
        """Let networks in again."""
        self._ask("unjail", networks=list(networks))

    def jailed(self) -> dict[str, int]:
        """Every network that is shut out for a time → its seconds left, by the kernel's clock."""
        held: dict[str, int] = self._ask("jailed")["held"]
        return held

    def whose(self, address: str, port: int) -> int:
        """The mark of the token that the flow from there showed last; 0: none, or not known."""
        mark: int = self._ask("whose", address=address, port=port)["mark"]
        return mark

    def places(self) -> dict[int, dict[str, int]]:
        """Mark → place (/24 or /48) → seconds of silence, for tokens alive in several places."""
        found: dict[str, dict[str, int]] = self._ask("places")["places"]
        return {int(mark): places for mark, places in found.items()}

    def rollback(self, fence: int) -> dict[str, Any]:
        """Bring the good rules before the current ones back."""
        return self._ask("rollback", fence=fence)

    def probe(
        self, packets: Iterable[SendsJson], intent: SendsJson | None = None
    ) -> dict[str, Any]:
        """What becomes of packets, in order, under the rules in force or those of `intent`.

        `oracle` and `kernel` hold a `verdict` and a `path` a packet; `kernel` is None where the
        agent may make no namespace to try them in, and `reason` says why. Changes nothing.
        """
        wanted = intent.to_json() if intent else None
        return self._ask("probe", intent=wanted, packets=[one.to_json() for one in packets])

    def _ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        body = json.dumps({"v": 1, "verb": verb, **fields}, separators=(",", ":")).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout)
                connection.connect(self._path)
                # The agent may answer and close before it took all (a full house, a wrong uid).
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(_HEAD.pack(len(body)) + body)
                answer = _receive(connection)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Retryable(f"agent: {self._path} can't be reached: {reason}") from None
        if answer.pop("ok") is True:
            return answer
        raise _decision(answer)


def _receive(connection: socket.socket) -> dict[str, Any]:
    (size,) = _HEAD.unpack(_exactly(connection, _HEAD.size))
    if size > _LIMIT:
        raise Retryable("agent: the answer is too long")
    try:
        answer = json.loads(_exactly(connection, size))
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise Retryable("agent: the answer is not of this protocol")
    return answer


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 65_536))
        if not part:
            raise Retryable("agent: closed before it answered")
        parts += part
    return bytes(parts)


def _decision(answer: Mapping[str, Any]) -> DeployError:
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    kind = _KINDS.get(str(error.get("kind")), Failed)
    decision = kind(str(error.get("message", "agent: no reason given")))
    decision.field = str(error.get("field", ""))  # type: ignore[attr-defined]
    return decision
