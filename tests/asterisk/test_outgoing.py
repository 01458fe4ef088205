"""Outgoing calls of a phone on the real Asterisk: to whom, by which trunk, as whom."""

import re
from dataclasses import replace

import pytest

from lab.vendor import FIRST, SECOND
from peers.realtime.facts import ServerFacts, TrunkFacts
from peers.realtime.outgoing import Caps, TollFacts
from tests.asterisk.conftest import LONDON, Bench
from tests.asterisk.outside import ALLOWED, TRUNKS, allow, call, taking


def test_a_phone_without_a_policy_reaches_nothing(bench: Bench) -> None:
    allow(bench)
    with taking(bench) as vendor:
        assert [one.status for one in call(bench, f"+{ALLOWED}", "112", user="bob")] == [403, 403]
        assert vendor.dialled == []


@pytest.mark.parametrize("dialled", [f"+{ALLOWED}", f"00{ALLOWED}", "02079460999"])
def test_an_allowed_number_is_called_in_e164_as_the_peers_ddi(bench: Bench, dialled: str) -> None:
    allow(bench)
    with taking(bench) as vendor:
        assert call(bench, dialled)[0].status == 200
    assert vendor.dialled == [f"+{ALLOWED}"]
    assert re.search(rf"^From: <sip:\+{LONDON}@", vendor.invites[0], re.MULTILINE)


@pytest.mark.parametrize(
    ("status", "seen", "second"),
    [(503, 200, 1), (500, 200, 1), (403, 200, 1), (486, 486, 0), (404, 404, 0), (603, 403, 0)],
)
def test_only_a_trunk_that_can_not_place_the_call_leaves_the_next_one(
    bench: Bench, status: int, seen: int, second: int
) -> None:
    allow(bench)
    with taking(bench, FIRST, status), taking(bench, SECOND) as other:
        assert (call(bench, f"+{ALLOWED}")[0].status, len(other.invites)) == (seen, second)


@pytest.mark.parametrize("number", ["112", "999"])
def test_emergency_numbers_go_out_although_every_cap_is_reached(bench: Bench, number: str) -> None:
    caps = Caps(calls=1, calls_a_minute=1, seconds_a_day=1, money_a_day=1)
    allow(bench, caps=caps, destinations=())
    with taking(bench) as vendor:
        answers = call(bench, *[number] * 4)
    assert ([one.status for one in answers], vendor.dialled) == ([200] * 4, [number] * 4)


def test_an_emergency_call_tries_each_trunk(bench: Bench) -> None:
    allow(bench)
    with taking(bench, FIRST, 404), taking(bench, SECOND) as other:
        assert (call(bench, "112")[0].status, other.dialled) == (200, ["112"])


def test_what_a_phone_says_of_itself_is_not_told_to_the_vendor(bench: Bench) -> None:
    allow(bench)
    lies = [
        "P-Asserted-Identity: <sip:+18765550100@x>",
        "Remote-Party-ID: <sip:+18765550100@x>;party=calling",
        "Diversion: <sip:+18765550100@x>;reason=unconditional",
        "Privacy: id",
        "History-Info: <sip:+18765550100@x>;index=1",
    ]
    with taking(bench) as vendor:
        assert call(bench, f"+{ALLOWED}", headers=lies, from_user="alice")[0].status == 200
    assert "8765550100" not in vendor.invites[0]
    assert re.search(rf"^From: <sip:\+{LONDON}@", vendor.invites[0], re.MULTILINE)


def test_no_allowed_number_becomes_one_of_abroad_when_it_is_written_nationally(
    bench: Bench,
) -> None:
    """Italy's numbers have no 0 before them, so +39 00 1 212… would be New York."""
    italian = replace(TRUNKS[0], country="39", national="", number_out="national")
    allow(bench, vendors=(italian, TRUNKS[1]), destinations=(("39", True),))
    with taking(bench) as vendor:
        call(bench, "+39001212555019")
        call(bench, "+390612345678")
    assert vendor.dialled == ["0039001212555019", "0612345678"]


def test_a_trunk_without_a_host_that_is_up_leaves_the_next_one_also_after_a_capped_one(
    bench: Bench,
) -> None:
    first, second = TRUNKS
    third = TrunkFacts("trunk_3", (), servers=(ServerFacts(SECOND),))
    capped = Caps(calls=1)
    tolls = (TollFacts("trunk_1", capped), TollFacts("trunk_2"), TollFacts("trunk_3"))
    allow(
        bench,
        vendors=(first, replace(second, servers=()), third),
        trunks=("trunk_1", "trunk_2", "trunk_3"),
        tolls=tolls,
    )
    with taking(bench), taking(bench, SECOND) as other:
        answers = call(bench, *[f"+{ALLOWED}"] * 2, hold=1.0)
    assert ([one.status for one in answers], len(other.invites)) == ([200, 200], 1)
