"""Endpoints as Asterisk sees them now: pure parsing of PJSIPShowEndpoints, which shows no secret.

No other list tells whether a watched vendor answers: PJSIPShowContacts knows phones only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from peers.realtime.ami_message import Message

_REACHED = frozenset({"Not in use", "In use", "Ringing", "Busy", "Ring+Inuse", "On Hold"})


@dataclass(frozen=True)
class EndpointState:
    """A peer (by its SIP username) or a trunk (by its key).

    ``reachable``: a contact answers, or is not asked; without any contact it is False, as for a
    trunk that is only called from. ``channels`` counts its calls.
    """

    name: str
    reachable: bool
    channels: int


def endpoints(messages: Iterable[Message]) -> tuple[EndpointState, ...]:
    """Return the endpoints of an answer to PJSIPShowEndpoints, by name."""
    found = [
        EndpointState(
            message.get("ObjectName"),
            message.get("DeviceState") in _REACHED,
            _number(message.get("ActiveChannels")),
        )
        for message in messages
        if message.event == "EndpointList"
    ]
    return tuple(sorted(found, key=lambda state: state.name))


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdecimal() else 0
