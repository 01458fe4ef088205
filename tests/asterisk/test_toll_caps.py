"""Caps of outgoing calls with real calls: Asterisk counts by itself, here no ddiweb runs at all."""

import contextlib
from collections import Counter

import pytest

from ddiweb.deploy.errors import Refused
from lab.dialer import Dialled
from lab.vendor import SECOND
from peers.realtime.outgoing import Caps, RateFacts, TollFacts
from tests.asterisk.conftest import Bench
from tests.asterisk.outside import ALLOWED, LOOSE, allow, call, taking

TOGETHER = 20
CAP = 5


@pytest.fixture(autouse=True)
def fresh_day(bench: Bench) -> None:
    """What earlier tests used of the day is forgotten."""
    forget(bench)


def forget(bench: Bench) -> None:
    """Clear the counts and alarms of Asterisk."""
    with bench.pbx.client() as client:
        with contextlib.suppress(Refused):
            client.action("DBDelTree", Family="toll/alarm")
        for who in ("peer_1", "peer_2", "trunk_1", "trunk_2"):
            for kind in ("day", "minute"):
                with contextlib.suppress(Refused):  # there is none yet
                    client.action("DBDel", Family="toll", Key=f"{kind}/{who}")


def answered(calls: list[Dialled]) -> int:
    return Counter(one.status for one in calls)[200]


@pytest.mark.parametrize("whose", ["peer", "trunk"])
@pytest.mark.parametrize("kind", ["calls", "calls_a_minute"])
def test_of_twenty_simultaneous_calls_the_cap_lets_exactly_its_number_through(
    bench: Bench, whose: str, kind: str
) -> None:
    cap = Caps(**{kind: CAP})
    toll = TollFacts("trunk_1", cap if whose == "trunk" else Caps())
    allow(bench, tolls=(toll,), trunks=("trunk_1",), caps=cap if whose == "peer" else LOOSE)
    with taking(bench) as vendor:
        calls = call(bench, *[f"+{ALLOWED}"] * TOGETHER, hold=2.0)
    assert (answered(calls), len(vendor.invites)) == (CAP, CAP)


def test_a_running_call_is_cut_when_the_days_minutes_are_used_up(bench: Bench) -> None:
    allow(bench, caps=Caps(calls=9, seconds_a_day=3))
    with taking(bench) as vendor:
        first = call(bench, f"+{ALLOWED}", hold=9.0)[0]
        second = call(bench, f"+{ALLOWED}")[0]
    assert (first.ended, round(first.seconds) in (2, 3, 4), second.status) == ("them", True, 403)
    assert len(vendor.invites) == 1


def test_a_running_call_is_cut_when_the_days_money_is_used_up(bench: Bench) -> None:
    """0.60 a minute by the second, and 0.03 a day: three seconds."""
    rates = (RateFacts("44", 10_000, 0, 60), RateFacts("442079", 6_000, 0, 1))
    toll = TollFacts("trunk_1", Caps(money_a_day=300), rates=rates)
    allow(bench, tolls=(toll,), trunks=("trunk_1",))
    with taking(bench) as vendor:
        first = call(bench, f"+{ALLOWED}", hold=9.0)[0]
        second = call(bench, f"+{ALLOWED}")[0]
    assert (first.ended, round(first.seconds) in (2, 3, 4), second.status) == ("them", True, 403)
    assert len(vendor.invites) == 1


def test_calls_side_by_side_do_not_share_what_is_left_of_the_day(bench: Bench) -> None:
    allow(bench, caps=Caps(seconds_a_day=10), longest_call=2)
    with taking(bench):
        calls = call(bench, *[f"+{ALLOWED}"] * TOGETHER, hold=9.0)
    talked = sum(one.seconds for one in calls)
    assert answered(calls) == CAP
    assert talked < 10 + CAP  # a second each


def test_what_a_call_did_not_use_is_given_back(bench: Bench) -> None:
    allow(bench, caps=Caps(seconds_a_day=7), longest_call=5)
    with taking(bench):
        statuses = [call(bench, f"+{ALLOWED}", hold=0.2)[0].status for _ in range(4)]
    assert statuses == [200] * 4


def test_a_money_cap_without_a_rate_lets_nothing_through(bench: Bench) -> None:
    allow(bench, tolls=(TollFacts("trunk_1", Caps(money_a_day=10**6)),), trunks=("trunk_1",))
    with taking(bench) as vendor:
        assert (call(bench, f"+{ALLOWED}")[0].status, vendor.invites) == (403, [])


def test_a_cap_of_a_trunk_leaves_the_next_trunk(bench: Bench) -> None:
    tolls = (TollFacts("trunk_1", Caps(calls=1)), TollFacts("trunk_2"))
    allow(bench, tolls=tolls)
    with taking(bench) as first, taking(bench, SECOND) as other:
        calls = call(bench, *[f"+{ALLOWED}"] * 3, hold=1.5)
    assert (answered(calls), len(first.invites), len(other.invites)) == (3, 1, 2)


def test_a_cap_that_was_reached_is_noted_for_ddiweb(bench: Bench) -> None:
    allow(bench, caps=Caps(calls=1))
    with taking(bench):
        call(bench, *[f"+{ALLOWED}"] * 3, hold=1.5)
    with bench.pbx.client() as client:
        found = client.action("DBGetTree", Family="toll/alarm")
    noted = {one.get("Key"): one.get("Val") for one in found}
    assert noted["/toll/alarm/peer_1-calls"].endswith("-2"), noted
