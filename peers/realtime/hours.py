"""Opening hours as facts and as rows that the fixed dialplan compares digit by digit.

A schedule is a list of lines; the first line that holds decides whether it is open, and where no
line holds it is closed. Days with a date stand before the days of the week, the shortest span
first, so that one Boxing Day closes an office that is open "all of December".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from peers.realtime import schema
from peers.realtime.rows import Row, row
from peers.realtime.text import between, matches, refuse

KEY = re.compile(r"\A[a-z0-9_]{1,40}\Z")
#: A name of the time zone database (RFC 6557), as Asterisk looks it up below its zoneinfo folder.
ZONE = re.compile(r"\A[A-Z][A-Za-z0-9+-]{1,13}(/[A-Z][A-Za-z0-9_+-]{1,30}){0,2}\Z")
_DATE = re.compile(r"\A(([0-9]{4})?(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))?\Z")
DAY = 24 * 60  # minutes
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)  # Monday is 1 (ISO 8601)
#: Rows of one schedule that the dialplan looks at (deploy/asterisk/extensions.conf).
LINES_MAX = 200


@dataclass(frozen=True)
class TimeFacts:
    """One line: on these days, from ``begin`` up to and without ``finish`` (minutes of the day).

    ``finish`` at or before ``begin`` means: into the next day. ``first`` and ``last`` narrow the
    line to dates: ``YYYYMMDD`` once, or ``MMDD`` each year, also over the turn of the year.
    """

    open: bool
    days: tuple[int, ...] = EVERY_DAY
    begin: int = 0
    finish: int = DAY
    first: str = ""
    last: str = ""

    def __post_init__(self) -> None:
        if not self.days or len(set(self.days)) != len(self.days):
            raise refuse("schedule.days", "are none or named twice", "name days of 1 to 7 once")
        for day in self.days:
            between("schedule.days", day, 1, 7)
        between("schedule.begin", self.begin, 0, DAY - 1)
        between("schedule.finish", self.finish, 1, DAY)
        for name in ("first", "last"):
            matches(f"schedule.{name}", _DATE, getattr(self, name), "write YYYYMMDD or MMDD")
        if len(self.first) != len(self.last):
            raise refuse("schedule.last", "is not of the form of the first date", "give both alike")
        if len(self.first) == 8 and self.last < self.first:
            raise refuse("schedule.last", "lies before the first date", "exchange the two")
        if self.first and self.finish <= self.begin:
            raise refuse("schedule.finish", "lies before the beginning", "use a line for each day")


@dataclass(frozen=True)
class ScheduleFacts:
    """Opening hours in a time zone."""

    key: str
    zone: str = "UTC"
    times: tuple[TimeFacts, ...] = ()

    def __post_init__(self) -> None:
        matches("schedule.key", KEY, self.key, "use [a-z0-9_]")
        matches("schedule.zone", ZONE, self.zone, "name a zone such as Europe/London")
        if len(list(_lines(self))) > LINES_MAX:
            raise refuse("schedule.times", "are too many", f"at most {LINES_MAX}")


def rows(schedule: ScheduleFacts) -> Iterator[Row]:
    """The rows of one schedule, in the order in which the dialplan asks them."""
    yield row(schema.SCHEDULES, schedule.key, zone=schedule.zone)
    for place, line in enumerate(_lines(schedule), start=1):
        yield row(
            schema.TIMES,
            f"{schedule.key}-{place}",
            open="yes" if line.open else "no",
            days="".join(map(str, sorted(line.days))),
            begin=_clock(line.begin),
            finish=_clock(line.finish),
            first=line.first,
            last=line.last,
        )


def _lines(schedule: ScheduleFacts) -> Iterator[TimeFacts]:
    """Lines that begin and end on one day and in one year."""
    for line in sorted(schedule.times, key=_rank):
        yield from _within_a_year(line) if line.first else _within_a_day(line)


def _rank(line: TimeFacts) -> tuple[object, ...]:
    """Dated before weekly, short spans first; the rest only makes the order one."""
    span = int(line.last or "0") - int(line.first or "0")
    span += 1300 if span < 0 else 0  # over the turn of the year
    return (not line.first, span, len(line.first) != 8, line.open, line.first, line.begin,
            line.finish, line.days)  # fmt: skip


def _within_a_day(line: TimeFacts) -> Iterator[TimeFacts]:
    if line.finish > line.begin:
        yield line
        return
    yield TimeFacts(line.open, line.days, line.begin)
    yield TimeFacts(line.open, tuple(sorted(day % 7 + 1 for day in line.days)), 0, line.finish)


def _within_a_year(line: TimeFacts) -> Iterator[TimeFacts]:
    if line.first <= line.last:
        yield line
        return
    for first, last in ((line.first, "1231"), ("0101", line.last)):
        yield TimeFacts(line.open, line.days, line.begin, line.finish, first, last)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}{minutes % 60:02d}"
