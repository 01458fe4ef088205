"""Opening hours of a step, by the clock of the real Asterisk."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lab.phones import PjsuaPhone
from peers.realtime.facts import StepFacts
from peers.realtime.hours import EVERY_DAY, ScheduleFacts, TimeFacts
from tests.asterisk.conftest import LONDON, Bench, ring, snapshot

RANG, CLOSED = 200, 486


def around(moment: datetime, **changes: object) -> TimeFacts:
    """Open from an hour before ``moment`` to an hour after it, on whatever days that is."""
    begin, finish = moment - timedelta(hours=1), moment + timedelta(hours=1)
    days = tuple(sorted({begin.isoweekday(), moment.isoweekday()}))
    line = TimeFacts(
        True, days, begin.hour * 60 + begin.minute, finish.hour * 60 + finish.minute or 1
    )
    return replace(line, **changes)  # type: ignore[arg-type]


def status(bench: Bench, zone: str, *times: TimeFacts) -> int:
    """What a caller is told: the phone rings in the hours, outside the number is busy."""
    schedule = ScheduleFacts("schedule_1", zone, times)
    first = replace(ring(), schedule="schedule_1")
    last = StepFacts(2, "reject", cause="busy")
    bench.apply(replace(snapshot(steps=(first, last)), schedules=(schedule,)))
    return bench.vendor().call(LONDON).status


Lines = Callable[[datetime], tuple[TimeFacts, ...]]


def _date(moment: datetime, form: str = "%Y%m%d", days: int = 0) -> str:
    return (moment + timedelta(days=days)).strftime(form)


CASES: dict[str, tuple[Lines, int]] = {
    "within the hours of the day": (lambda now: (around(now),), RANG),
    "on another day of the week": (
        lambda now: (
            TimeFacts(True, tuple({*EVERY_DAY} - {now.isoweekday(), now.isoweekday() % 7 + 1})),
        ),
        CLOSED,
    ),
    "three hours too early": (lambda now: (around(now + timedelta(hours=3)),), CLOSED),
    "without any line": (lambda now: (), CLOSED),
    "on a holiday of this year": (
        lambda now: (around(now), TimeFacts(False, first=_date(now), last=_date(now, days=1))),
        CLOSED,
    ),
    "on the holiday of another year": (
        lambda now: (around(now), TimeFacts(False, first="20200101", last="20201231")),
        RANG,
    ),
    "on a holiday of each year": (
        lambda now: (
            around(now),
            TimeFacts(False, first=_date(now, "%m%d"), last=_date(now, "%m%d", 1)),
        ),
        CLOSED,
    ),
    "on the one open day of a long holiday": (
        lambda now: (
            TimeFacts(False, first=_date(now, days=-9), last=_date(now, days=9)),
            TimeFacts(True, first=_date(now), last=_date(now, days=1)),
        ),
        RANG,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_taken_within_its_hours_only(bench: Bench, phone: PjsuaPhone, case: str) -> None:
    lines, expected = CASES[case]
    assert status(bench, "UTC", *lines(datetime.now(UTC))) == expected


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Port-au-Prince", "Etc/GMT+12"])
def test_hours_are_those_of_the_schedules_own_time_zone(
    bench: Bench, phone: PjsuaPhone, zone: str
) -> None:
    local = datetime.now(ZoneInfo(zone))
    utc = datetime.now(UTC).replace(tzinfo=None)
    seen = [status(bench, zone, around(local)), status(bench, zone, around(utc))]
    assert seen == [RANG, CLOSED]


def test_a_schedule_that_is_gone_is_closed(bench: Bench, phone: PjsuaPhone) -> None:
    assert status(bench, "UTC", TimeFacts(True)) == RANG
    with contextlib.closing(sqlite3.connect(bench.folder / "realtime.sqlite3")) as database:
        database.execute("DELETE FROM ddi_schedules")
        database.commit()
    assert bench.vendor().call(LONDON).status == CLOSED
