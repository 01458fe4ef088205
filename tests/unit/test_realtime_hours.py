"""Opening hours become lines that the dialplan can compare one by one."""

import pytest

from ddiweb.deploy.errors import Refused
from peers.realtime.hours import DAY, ScheduleFacts, TimeFacts, rows


def lines(*times: TimeFacts) -> list[dict[str, str]]:
    """The rows of a schedule with these lines, in the order in which they are asked."""
    made = list(rows(ScheduleFacts("schedule_1", "Europe/London", times)))
    return [one.as_dict() for one in made[1:]]


def test_an_office_week_is_one_line() -> None:
    (line,) = lines(TimeFacts(True, (1, 2, 3, 4, 5), 9 * 60, 17 * 60 + 30))
    assert line == {
        "id": "schedule_1-1", "open": "yes", "days": "12345", "begin": "0900", "finish": "1730",
        "first": "", "last": "",
    }  # fmt: skip


def test_a_night_is_split_at_midnight_and_ends_on_the_next_day() -> None:
    evening, morning = lines(TimeFacts(True, (5, 7), 22 * 60, 6 * 60))
    assert (evening["days"], evening["begin"], evening["finish"]) == ("57", "2200", "2400")
    assert (morning["days"], morning["begin"], morning["finish"]) == ("16", "0000", "0600")


def test_a_span_over_the_turn_of_the_year_is_split_there() -> None:
    spans = [
        (line["first"], line["last"]) for line in lines(TimeFacts(False, first="1224", last="0102"))
    ]
    assert spans == [("1224", "1231"), ("0101", "0102")]


def test_a_day_with_a_date_stands_before_the_week_and_a_short_span_before_a_long_one() -> None:
    week = TimeFacts(True)
    december = TimeFacts(False, first="1201", last="1231")
    boxing_day = TimeFacts(True, first="1226", last="1226")
    order = [line["first"] for line in lines(week, december, boxing_day)]
    assert order == ["1226", "1201", ""]


def test_the_order_in_which_lines_were_written_changes_nothing() -> None:
    times = (
        TimeFacts(True, (1, 2)), TimeFacts(True, (3,), 60, 120),
        TimeFacts(False, first="0501", last="0501"),
        TimeFacts(False, first="20261225", last="20261225"),
    )  # fmt: skip
    assert lines(*times) == lines(*reversed(times))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("days", {"days": ()}),
        ("days", {"days": (1, 1)}),
        ("days", {"days": (8,)}),
        ("begin", {"begin": DAY}),
        ("begin", {"begin": True}),
        ("finish", {"finish": 0}),
        ("first", {"first": "1301", "last": "1301"}),
        ("first", {"first": "0101\n", "last": "0101"}),
        ("last", {"first": "0101"}),
        ("last", {"first": "20260102", "last": "20260101"}),
        ("finish", {"first": "0101", "last": "0101", "begin": 60, "finish": 30}),
    ],
)
def test_a_line_that_means_nothing_is_refused_by_its_field(
    field: str, changes: dict[str, object]
) -> None:
    with pytest.raises(Refused, match=rf"\Aschedule\.{field}: "):
        TimeFacts(True, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["", "europe/london", "Europe/London,x", "A/${SHELL(id)}", "../x"])
def test_a_zone_that_is_not_one_name_is_refused(zone: str) -> None:
    with pytest.raises(Refused, match=r"\Aschedule\.zone: "):
        ScheduleFacts("schedule_1", zone)
