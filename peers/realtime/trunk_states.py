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

    ``rtt_usec``: microseconds there and back, None if unknown. ``silent``: its hosts that do not
    answer, as ``host:port``.
    """

    answers: bool | None = None
    rtt_usec: int | None = None
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registered:
    """How a trunk is registered; ``refusing``: its hosts that do not take the registration."""

    state: Registration = ""
    refusing: tuple[str, ...] = ()


def registrations(messages: Iterable[Message]) -> dict[str, Registered]:
    """Endpoint → its registration, of an answer to PJSIPShowRegistrationsOutbound."""
    found = {}
    for message in messages:
        if message.event == "OutboundRegistrationDetail":
            state = _REGISTRATIONS.get(message.get("Status"), "unregistered")
            host = _host(message.get("ServerUri"))
            down = (host,) if state in ("rejected", "stopped") else ()
            found[message.get("ObjectName")] = Registered(state, down)
    return found


def best(names: Iterable[str], found: Mapping[str, Registered]) -> Registered:
    """How a trunk with these endpoints is registered: one host that took it is enough."""
    hosts = [found[name] for name in names if name in found]
    states = [host.state for host in hosts]
    state: Registration = "registered" if "registered" in states else next(iter(states), "")
    return Registered(state, tuple(name for host in hosts for name in host.refusing))


def reach(messages: Iterable[Message]) -> Reach:
    """Whether any host of a trunk answers, of an answer to PJSIPShowEndpoint."""
    found = [one for one in messages if one.event == "ContactStatusDetail"]
    silent = tuple(_host(one.get("URI")) for one in found if one.get("Status") == "Unreachable")
    for message in found:
        if message.get("Status") == "Reachable":
            rtt = message.get("RoundtripUsec")
            return Reach(True, int(rtt) if rtt.isascii() and rtt.isdecimal() else None, silent)
    return Reach(False if silent else None, None, silent)


def _host(uri: str) -> str:
    """``sip:203.0.113.20:5060;transport=tls`` → ``203.0.113.20:5060``."""
    return uri.partition(":")[2].partition(";")[0]
