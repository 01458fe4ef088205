"""Channels that are up now: pure parsing of CoreShowChannels. Callers choose much of the text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from peers.realtime.ami_message import Message
from peers.realtime.events import endpoint_of

#: After one of these the list of channels is to be read anew.
CHANGES = frozenset({"Newchannel", "Hangup", "Newstate", "BridgeEnter", "BridgeLeave"})
_UNIQUE = re.compile(r"\A([0-9]{9,11})\.[0-9]{1,12}\Z")


@dataclass(frozen=True)
class Channel:
    """One leg of a call that is up. ``call_id`` is the same for all legs of a call.

    ``endpoint`` is a trunk's key or a phone's SIP username; ``state`` Asterisk's word (Ring,
    Ringing, Up, …); ``talking``: it is bridged to another. ``number`` is what was called.
    """

    unique_id: str
    call_id: str
    endpoint: str
    caller: str
    number: str
    state: str
    talking: bool
    started_at: datetime


def channels(messages: Iterable[Message]) -> tuple[Channel, ...]:
    """Return the channels of an answer to CoreShowChannels, by unique id."""
    found = [_channel(message) for message in messages if message.event == "CoreShowChannel"]
    return tuple(sorted((one for one in found if one), key=lambda one: one.unique_id))


def _channel(message: Message) -> Channel | None:
    unique_id = message.get("Uniqueid")
    begun = _UNIQUE.fullmatch(unique_id)
    endpoint = endpoint_of(message.get("Channel"))
    if not begun or not endpoint:
        return None
    return Channel(
        unique_id=unique_id,
        call_id=message.get("Linkedid"),
        endpoint=endpoint,
        caller=message.get("CallerIDNum"),
        number=message.get("Exten"),
        state=message.get("ChannelStateDesc"),
        talking=bool(message.get("BridgeId")),
        started_at=datetime.fromtimestamp(int(begun[1]), UTC),
    )
