"""Asterisk's lists of channels, registrations and contacts of vendors to values."""

from peers.realtime.ami_message import Message
from peers.realtime.channels import channels
from peers.realtime.trunk_states import Reach, Registered, best, reach, registrations
from peers.realtime.trunks import endpoint_names


def _message(event: str, **fields: str) -> Message:
    return Message((("Event", event), *fields.items()))


def test_a_channel_names_its_call_and_both_parties() -> None:
    (found,) = channels(
        [
            _message(
                "CoreShowChannel",
                Channel="PJSIP/trunk_1-0000002a",
                ChannelStateDesc="Up",
                CallerIDNum="+441632960111",
                Exten="442079460123",
                Uniqueid="1795478400.7",
                Linkedid="1795478400.7",
                BridgeId="b",
            ),
            _message("CoreShowChannelsComplete"),
        ]
    )
    assert (found.endpoint, found.caller, found.number) == (
        "trunk_1",
        "+441632960111",
        "442079460123",
    )
    assert (found.talking, int(found.started_at.timestamp())) == (True, 1795478400)


def test_a_channel_that_is_no_leg_of_a_call_is_left_out() -> None:
    local = _message("CoreShowChannel", Channel="Local/s@x-1;1", Uniqueid="1795478400.8")
    assert channels([local]) == ()


def test_registrations_are_told_by_trunk_and_no_password_comes_along() -> None:
    answer = [
        _message("OutboundRegistrationDetail", ObjectName="trunk_1", Status="Registered"),
        _message("AuthDetail", ObjectName="trunk_1-C1", Password="pa55w0rd"),
        _message("OutboundRegistrationDetail", ObjectName="trunk_2", Status="Rejected",
                 ServerUri="sip:v.example:5060;transport=tcp"),
    ]  # fmt: skip
    assert registrations(answer) == {
        "trunk_1": Registered("registered"),
        "trunk_2": Registered("rejected", ("v.example:5060",)),
    }


def test_one_host_that_answers_is_enough_and_the_others_are_named() -> None:
    away = "sip:[2001:db8::20]:5060;transport=tls"
    answer = [
        _message("ContactStatusDetail", Status="Unreachable", RoundtripUsec="N/A", URI=away),
        _message("ContactStatusDetail", Status="Reachable", RoundtripUsec="1234", URI="sip:b:5"),
    ]
    assert reach(answer) == Reach(True, 1234, ("[2001:db8::20]:5060",))


def test_a_vendor_that_is_not_asked_is_neither_here_nor_away() -> None:
    assert reach([_message("ContactStatusDetail", Status="NonQualified")]) == Reach()


def test_a_trunk_with_several_hosts_is_registered_if_one_of_them_took_it() -> None:
    names = endpoint_names("trunk_1", 3)
    assert names == ("trunk_1", "trunk_1-S2", "trunk_1-S3")
    found = {
        "trunk_1": Registered("rejected", ("a:5060",)),
        "trunk_1-S3": Registered("registered"),
    }
    assert (best(names, found), best(names[:2], found), best((), found)) == (
        Registered("registered", ("a:5060",)),
        Registered("rejected", ("a:5060",)),
        Registered(),
    )
