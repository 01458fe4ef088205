"""Events of Asterisk as frozen values: contacts that changed, security events. Pure.

Callers and scanners choose much of this text: it is kept as it came and must be treated as hostile
wherever it is shown, stored or exported.
"""

import re
from dataclasses import dataclass
from typing import Final

from peers.realtime.ami_message import Message

#: After one of these the list of contacts is to be read anew; they name no User-Agent.
CONTACT_CHANGES: Final = frozenset({"ContactStatus", "PeerStatus", "DeviceStateChange"})
#: Further hosts of a trunk have endpoints of their own (``trunks.endpoint_names``).
_CHANNEL = re.compile(r"\APJSIP/(.+?)(?:-S[0-9])?-[0-9a-f]{8}\Z")
#: Security events and the word that is stored for them (Asterisk, security_events.c).
_INCIDENTS: Final = {
    "ChallengeResponseFailed": "wrong_password",
    "InvalidPassword": "wrong_password",
    "InvalidAccountID": "unknown_account",
    "FailedACL": "refused_address",
    "RequestBadFormat": "bad_format",
    "RequestNotAllowed": "not_allowed",
    "UnexpectedAddress": "unexpected_address",
}


@dataclass(frozen=True)
class ContactChange:
    """A contact came, went or changed: Asterisk's ``ContactStatus``."""

    aor: str
    uri: str
    status: str
    rtt_usec: int | None


@dataclass(frozen=True)
class Incident:
    """A request that failed to prove itself; ``address`` is where its packet came from."""

    kind: str
    account: str
    address: str
    port: int


@dataclass(frozen=True)
class Login:
    """A request that proved itself (``SuccessfulAuth``)."""

    account: str
    address: str
    port: int


def contact_change(message: Message) -> ContactChange | None:
    """Return what a ``ContactStatus`` event says, None for another event."""
    if message.event != "ContactStatus":
        return None
    rtt = message.get("RoundtripUsec")
    return ContactChange(
        aor=message.get("AOR"),
        uri=message.get("URI").replace("^3B", ";"),
        status=message.get("ContactStatus"),
        rtt_usec=int(rtt) if _is_number(rtt) else None,
    )


def incident(message: Message) -> Incident | None:
    """Return the security incident of SIP that ``message`` reports, or None.

    A wrong password and an unknown user look alike on the wire and in Asterisk: both are
    ``wrong_password``. Events of the AMI itself are none of SIP's.
    """
    kind = _INCIDENTS.get(message.event)
    if kind is None or message.get("Service") == "AMI":
        return None
    address, port = remote_address(message.get("RemoteAddress"))
    return Incident(kind, message.get("AccountID"), address, port)


def login(message: Message) -> Login | None:
    """Return the account that proved itself by a ``SuccessfulAuth`` of SIP, or None."""
    if message.event != "SuccessfulAuth" or message.get("Service") == "AMI":
        return None
    address, port = remote_address(message.get("RemoteAddress"))
    return Login(message.get("AccountID"), address, port)


def remote_address(value: str) -> tuple[str, int]:
    """Return address and port of ``IPV4/UDP/192.0.2.1/5060``; empty and 0 if it is no such."""
    parts = value.split("/")
    if len(parts) != 4:
        return "", 0
    return parts[2], _number(parts[3])


def endpoint_of(channel: str) -> str:
    """Return the endpoint of a channel's name (``PJSIP/alice-0000002a``), or empty."""
    found = _CHANNEL.match(channel)
    return found[1] if found else ""


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) <= 12


def _number(value: str) -> int:
    return int(value) if _is_number(value) else 0
