"""Messages of Asterisk to values; names, numbers and headers in them are hostile."""

import pytest

from peers.realtime.ami_message import Message
from peers.realtime.contacts import contacts
from peers.realtime.events import (
    contact_change,
    endpoint_of,
    incident,
    login,
    remote_address,
)


def _message(**fields: str) -> Message:
    return Message(tuple(fields.items()))


def test_a_wrong_password_is_an_incident() -> None:
    event = _message(
        Event="ChallengeResponseFailed",
        Service="PJSIP",
        AccountID="alice",
        RemoteAddress="IPV4/UDP/203.0.113.66/5060",
    )
    seen = incident(event)
    assert seen is not None
    assert (seen.kind, seen.address, seen.port) == ("wrong_password", "203.0.113.66", 5060)


def test_the_managers_own_logins_are_no_incidents() -> None:
    event = _message(Event="InvalidPassword", Service="AMI", RemoteAddress="IPV4/TCP/127.0.0.1/1")
    assert incident(event) is None


def test_a_login_is_read() -> None:
    event = _message(
        Event="SuccessfulAuth",
        Service="PJSIP",
        AccountID="alice",
        RemoteAddress="IPV6/UDP/2001:db8::1/5060",
    )
    seen = login(event)
    assert seen is not None
    assert (seen.account, seen.address) == ("alice", "2001:db8::1")


@pytest.mark.parametrize("value", ["", "x", "IPV4/UDP/1.2.3.4", "a/b/c/d/e"])
def test_an_odd_address_is_no_address(value: str) -> None:
    assert remote_address(value) == ("", 0)


def test_a_channels_endpoint_may_hold_hyphens() -> None:
    assert endpoint_of("PJSIP/ada-mobile-0000001f") == "ada-mobile"


def test_a_contact_that_went_is_read() -> None:
    event = _message(Event="ContactStatus", URI="sip:a@h;ob", ContactStatus="Removed", AOR="alice")
    seen = contact_change(event)
    assert seen is not None
    assert (seen.aor, seen.status, seen.rtt_usec) == ("alice", "Removed", None)


def test_contacts_are_read_with_their_aor_from_the_objects_name() -> None:
    event = _message(
        Event="ContactList",
        ObjectName="alice;@0123",
        Uri="sip:alice@203.0.113.30:40000",
        UserAgent="x^3By",
        ViaAddr="10.77.0.2",
        ExpirationTime="1795475879",
        Status="Reachable",
        RoundtripUsec="676",
    )
    (found,) = contacts([event])
    assert (found.aor, found.user_agent, found.rtt_usec, found.expires) == (
        "alice",
        "x;y",
        676,
        1795475879,
    )


@pytest.mark.parametrize("value", ["", "N/A", "-1", "²", "1e3"])
def test_a_round_trip_that_is_no_number_is_unknown(value: str) -> None:
    (found,) = contacts([_message(Event="ContactList", ObjectName="a", RoundtripUsec=value)])
    assert found.rtt_usec is None
