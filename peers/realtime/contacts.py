"""Contacts as Asterisk holds them: pure parsing of PJSIPShowContacts."""

from collections.abc import Iterable
from dataclasses import dataclass

from peers.realtime.ami_message import Message


@dataclass(frozen=True)
class Contact:
    """Where a phone (or a trunk's static host) is reached.

    ``uri`` is the address that packets are sent to, ``via_address`` what the phone believes its
    own to be; ``status`` Asterisk's word (Reachable, Unreachable, NonQualified, Unknown);
    ``rtt_usec`` microseconds of the last OPTIONS, None if unknown; ``expires`` Unix seconds, 0 for
    a static one. ``user_agent`` and ``uri`` are the phone's words: hostile text.
    """

    aor: str
    key: str
    uri: str
    user_agent: str
    via_address: str
    status: str
    rtt_usec: int | None
    expires: int


def contacts(messages: Iterable[Message]) -> tuple[Contact, ...]:
    """Return the contacts of an answer to PJSIPShowContacts, by aor and uri."""
    found = [_contact(message) for message in messages if message.event == "ContactList"]
    return tuple(sorted(found, key=lambda contact: (contact.aor, contact.uri)))


def _contact(message: Message) -> Contact:
    rtt = message.get("RoundtripUsec")
    return Contact(
        aor=message.get("Aor") or message.get("ObjectName").partition(";@")[0],
        key=message.get("ObjectName"),
        uri=message.get("Uri").replace("^3B", ";"),
        user_agent=message.get("UserAgent").replace("^3B", ";"),
        via_address=message.get("ViaAddr"),
        status=message.get("Status"),
        rtt_usec=int(rtt) if rtt.isascii() and rtt.isdecimal() else None,
        expires=_number(message.get("ExpirationTime")),
    )


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdecimal() else 0
