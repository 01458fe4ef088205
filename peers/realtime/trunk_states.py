"""How vendors' trunks stand, as Asterisk sees them: registration and reachability. Pure.

Both lists that tell it show passwords too; nothing but the named fields leaves this module.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from peers.realtime.ami_message import Message

Registration = Literal["", "registered", "unregistered", "rejected", "stopped"]
#: res_pjsip_outbound_registration.c, sip_outbound_registration_status_str; silence is "Rejected".
_REGISTRATIONS: dict[str, Registration] = {
    "Registered": "registered",
    "Unregistered": "unregistered",
    "Rejected": "rejected",
    "Stopping": "stopped",
    "Stopped": "stopped",
}


@dataclass(frozen=True)
class Reach:
    """Whether a vendor answers OPTIONS; ``answers`` None: it was not asked, or not yet.

    ``rtt_usec``: microseconds there and back, None if unknown.
    """

    answers: bool | None = None
    rtt_usec: int | None = None


def registrations(messages: Iterable[Message]) -> dict[str, Registration]:
    """Trunk key → its registration, of an answer to PJSIPShowRegistrationsOutbound."""
    return {
        message.get("ObjectName"): _REGISTRATIONS.get(message.get("Status"), "unregistered")
        for message in messages
        if message.event == "OutboundRegistrationDetail"
    }


def best(names: Iterable[str], found: Mapping[str, Registration]) -> Registration:
    """How a trunk with these endpoints is registered: one host that took it is enough."""
    states = [found[name] for name in names if name in found]
    return "registered" if "registered" in states else next(iter(states), "")


def reach(messages: Iterable[Message]) -> Reach:
    """Whether any host of a trunk answers, of an answer to PJSIPShowEndpoint."""
    found = [one for one in messages if one.event == "ContactStatusDetail"]
    for message in found:
        if message.get("Status") == "Reachable":
            rtt = message.get("RoundtripUsec")
            return Reach(True, int(rtt) if rtt.isascii() and rtt.isdecimal() else None)
    silent = any(message.get("Status") == "Unreachable" for message in found)
    return Reach(False if silent else None)
