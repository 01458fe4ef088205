"""Lines of Asterisk's file of call records to values; what a caller chose in them is hostile."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddiweb.deploy.errors import Refused
from peers.realtime.cdr import FIELDS, CallRecord, parse

LINE = (
    "1,1795478400.7,3,1795478400.7,1795478400.250000,1795478405.500000,1795478465.750000,65,60,"
    "ANSWERED,trunk_1,442079460123,%2B441632960111,442079460123,PJSIP%2Ftrunk_1-00000001,"
    "PJSIP%2Fada-mobile-00000002"
)


def _with(position: int, value: str) -> bytes:
    fields = LINE.split(",")
    fields[position] = value
    return ",".join(fields).encode()


def test_a_record_holds_number_trunk_and_both_ends() -> None:
    record = parse(LINE.encode())
    assert (record.number, record.trunk) == ("442079460123", "trunk_1")
    assert (record.source, record.destination) == ("trunk_1", "ada-mobile")
    assert (record.caller, record.seconds, record.billed_seconds) == ("+441632960111", 65, 60)


def test_times_are_exact_and_know_their_zone() -> None:
    record = parse(LINE.encode())
    assert record.started_at == datetime.fromtimestamp(1795478400.25, UTC)
    assert record.answered_at == datetime.fromtimestamp(1795478405.5, UTC)


def test_an_unanswered_call_has_no_answer_time() -> None:
    record = parse(_with(5, "0.000000"))
    assert record.answered_at is None


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_whatever_a_caller_is_called_comes_back_in_its_own_field(name: str) -> None:
    record = parse(_with(12, quote(name, safe="")))
    assert record == CallRecord(**{**vars(parse(LINE.encode())), "caller": name})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff" * 30,
        b"," * (FIELDS - 1),
        LINE.encode() + b",",
        b"2" + LINE.encode()[1:],
        _with(1, "1795478400"),
        _with(3, "%0A"),
        _with(4, "0.000000"),
        _with(4, "yesterday"),
        _with(7, "-1"),
        _with(8, "\u0661"),
        _with(13, "x" * 9000),
    ],
)
def test_any_other_text_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        parse(line)
