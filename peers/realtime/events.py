"""Events of Asterisk as frozen values: call records, contacts that changed, security events. Pure.

Callers and scanners choose much of this text: it is kept as it came and must be treated as hostile
wherever it is shown, stored or exported.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from peers.realtime.ami_message import Message

#: After one of these the list of contacts is to be read anew; they name no User-Agent.
CONTACT_CHANGES: Final = frozenset({"ContactStatus", "PeerStatus", "DeviceStateChange"})
_START = re.compile(r"([0-9]{9,11})\.[0-9]+\Z")
_CHANNEL = re.compile(r"\APJSIP/(.+)-[0-9a-f]{8}\Z")
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
class CallRecord:
    """One leg of a call, written when it ended.

    ``number`` is the DDI in digits, ``peer`` the SIP username that was rung (empty if none),
    ``trunk`` its key; ``seconds`` lasts from the INVITE, ``billed_seconds`` from the answer.
    ``disposition`` is Asterisk's: ANSWERED, NO ANSWER, BUSY, FAILED, CONGESTION.
    """

    unique_id: str
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    caller: str
    caller_name: str
    number: str
    trunk: str
    peer: str
    disposition: str
    seconds: int
    billed_seconds: int


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


def call_record(message: Message) -> CallRecord:
    """Return the call record of a ``Cdr`` event.

    Asterisk prints times in its own time zone without naming it; the start is therefore taken
    from the unique id, which begins with it in Unix seconds, and the rest counted from there.
    """
    unique_id = message.get("UniqueID")
    begun = _START.search(unique_id)
    start = datetime.fromtimestamp(int(begun[1]), UTC) if begun else None
    printed = _time(message.get("StartTime"))
    source = message.get("Source")
    return CallRecord(
        unique_id=unique_id,
        started_at=start,
        answered_at=_moved(start, printed, _time(message.get("AnswerTime"))),
        ended_at=_moved(start, printed, _time(message.get("EndTime"))),
        caller=source,
        caller_name=_name(message.get("CallerID")),
        number=message.get("UserField") or message.get("Destination"),
        trunk=message.get("AccountCode"),
        peer=endpoint_of(message.get("DestinationChannel")),
        disposition=message.get("Disposition"),
        seconds=_number(message.get("Duration")),
        billed_seconds=_number(message.get("BillableSeconds")),
    )


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


def _name(caller_id: str) -> str:
    """Return the name of ``"Name" <number>``."""
    return caller_id.rpartition("<")[0].strip().removeprefix('"').removesuffix('"')


def _time(value: str) -> datetime | None:
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _moved(
    start: datetime | None, printed: datetime | None, other: datetime | None
) -> datetime | None:
    if start is None or printed is None or other is None:
        return other
    return start + max(other - printed, timedelta(0))


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) <= 12


def _number(value: str) -> int:
    return int(value) if _is_number(value) else 0
