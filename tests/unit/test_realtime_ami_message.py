"""Building one action that stays one, and parsing what strangers had a hand in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddiweb.deploy.errors import Refused, Retryable
from peers.realtime.ami_message import MESSAGE_MAX, Parser, build


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nAction: DBPut", "a\0b", "x" * 1001])
def test_a_value_that_would_be_a_second_action_is_refused(value: str) -> None:
    with pytest.raises(Refused):
        build({"Action": "Ping", "Variable": value})


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\n", "1A", "A" * 41])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        build({name: "x"})


@given(st.text(max_size=60))
def test_whatever_is_built_is_one_message(value: str) -> None:
    try:
        data = build({"Action": "Ping", "Variable": value})
    except Refused:
        return
    (message,) = Parser().feed(data)
    assert message.get("Variable") == value.removeprefix(" ") or value != value.strip()


def test_an_event_that_is_cut_anywhere_is_read_whole() -> None:
    data = b"Event: Cdr\r\nSource: 1\r\n\r\nEvent: Hangup\r\n\r\n"
    for cut in range(len(data)):
        parser = Parser()
        found = parser.feed(data[:cut]) + parser.feed(data[cut:])
        assert [message.event for message in found] == ["Cdr", "Hangup"]


def test_a_lone_line_feed_in_a_value_begins_nothing() -> None:
    (message,) = Parser().feed(b"Event: Newchannel\r\nCallerIDName: a\nEvent: Cdr\n\nx\r\n\r\n")
    assert (message.event, message.get("CallerIDName")) == ("Newchannel", "a\nEvent: Cdr\n\nx")


def test_a_name_that_is_repeated_does_not_override_the_first() -> None:
    (message,) = Parser().feed(b"Event: Cdr\r\nSource: 1\r\nSource: 2\r\n\r\n")
    assert message.get("source") == "1"


def test_only_the_first_line_makes_an_event() -> None:
    (message,) = Parser().feed(b"Response: Success\r\nEvent: Cdr\r\n\r\n")
    assert (message.event, message.response) == ("", "Success")


def test_bytes_that_are_no_text_are_replaced() -> None:
    (message,) = Parser().feed(b"Event: X\r\nName: \xff\xfe\r\n\r\n")
    assert message.get("Name") == "\ufffd\ufffd"


def test_a_message_without_an_end_is_given_up() -> None:
    with pytest.raises(Retryable):
        Parser().feed(b"x" * (MESSAGE_MAX + 1))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    Parser().feed(data + b"\r\n\r\n")
