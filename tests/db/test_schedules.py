"""Opening hours in the panel and over the API, down to the rows that Asterisk reads."""

from typing import Any

import pytest
from django.test import Client

from ddiweb.deploy.models import Node
from peers.models import Number, Schedule
from peers.realtime import snapshot
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WEEK = {"days": [1, 2, 3, 4, 5], "begin": "09:00", "finish": "17:30"}
CHRISTMAS = {
    "open": False, "days": [1, 2, 3, 4, 5, 6, 7], "begin": "00:00", "finish": "00:00",
    "first_date": "2026-12-24", "last_date": "2027-01-02", "yearly": True, "note": "Christmas",
}  # fmt: skip


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


def hours(node: Node) -> list[tuple[str, ...]]:
    """Open, days, from, to, first and last date of each line, as Asterisk asks them."""
    made = render(snapshot.take(node)[0])
    return [row.values for row in made.table("ddi_times")]


def form(node: Node, *lines: dict[str, Any]) -> dict[str, Any]:
    """What a browser sends."""
    data: dict[str, Any] = {
        "node": node.pk, "name": "Office", "zone": "Europe/London",
        "times-TOTAL_FORMS": len(lines), "times-INITIAL_FORMS": 0,
    }  # fmt: skip
    for index, line in enumerate(lines):
        sent = {"open": True} | line
        for name, value in sent.items():
            if value is not False:
                data[f"times-{index}-{name}"] = "on" if value is True else value
    return data


def test_hours_and_a_holiday_over_the_api_become_rows(node: Node) -> None:
    body = {"node": "london", "name": "Office", "zone": "Europe/London", "times": [WEEK, CHRISTMAS]}
    answer = client(operator()).post(V1 + "schedules/", body)
    assert (answer.status_code, pending(node)) == (201, 1)
    assert hours(node) == [
        ("no", "1234567", "0000", "2400", "1224", "1231"),
        ("no", "1234567", "0000", "2400", "0101", "0102"),
        ("yes", "12345", "0900", "1730", "", ""),
    ]


def test_the_panel_and_the_api_store_the_same(node: Node) -> None:
    answer = panel.client().post("/peers/schedule/add/", form(node, WEEK, CHRISTMAS))
    assert panel.faults(answer) == ""
    read = client(operator()).get(f"{V1}schedules/{Schedule.objects.get().pk}/").json()
    assert [line["note"] for line in read["times"]] == ["", "Christmas"]
    assert read["times"][0] == {
        "open": True, "days": [1, 2, 3, 4, 5], "begin": "09:00", "finish": "17:30",
        "first_date": None, "last_date": None, "yearly": False, "note": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("times.0.days", {"days": []}),
        ("times.0.days", {"days": [1, 1]}),
        ("times.0.days.0", {"days": [8]}),
        ("times.0.begin", {"begin": "25:00"}),
        ("times.0", {"open": False}),
        ("times.0", {"last_date": "2026-12-24"}),
        ("times.0", {"first_date": "2026-12-24", "last_date": "2026-12-01"}),
        ("times.0", {"first_date": "2026-12-24", "last_date": "2028-01-01", "yearly": True}),
        ("times.0", {"first_date": "2026-12-24", "begin": "18:00", "finish": "02:00"}),
        ("times.0.note", {"note": "a\nb"}),
        ("zone", {}),
    ],
)
def test_a_line_that_means_nothing_is_refused_by_name_and_nothing_is_stored(
    node: Node, field: str, change: dict[str, Any]
) -> None:
    zone = "Atlantis/Palace" if field == "zone" else "UTC"
    body = {"node": "london", "name": "Office", "zone": zone, "times": [WEEK | change]}
    assert list(faults(client(operator()).post(V1 + "schedules/", body))) == [field]
    assert (Schedule.objects.count(), pending(node)) == (0, 0)


def test_the_panel_says_what_is_wrong_with_a_line(node: Node) -> None:
    answer = panel.client().post("/peers/schedule/add/", form(node, WEEK | {"open": False}))
    assert "give a date on which it is closed" in panel.faults(answer)


def test_the_list_says_the_hours_in_a_line(node: Node) -> None:
    line = {"days": [1, 2, 3, 4, 5], "begin": "09:00", "finish": "17:30"}
    factories.schedule(node, line, line | {"open": False, "first_date": "2026-12-25"})
    factories.schedule(node)
    page = panel.client().get("/peers/schedule/").content.decode()
    assert "Mon-Fri 09:00-17:30; 1 date" in page
    assert "always closed" in page


def number(node: Node, *steps: dict[str, Any]) -> Any:
    """Ask the API for a number with a route."""
    trunk = factories.trunk(node)
    body = {"trunk": trunk.pk, "e164": "+442079460123", "steps": list(steps)}
    return client(operator()).post(V1 + "numbers/", body)


def test_a_step_keeps_to_its_hours(node: Node) -> None:
    office = factories.schedule(node)
    answer = number(
        node, {"peers": [factories.peer(node).pk], "schedule": office.pk}, {"kind": "reject"}
    )
    assert answer.status_code == 201
    steps = render(snapshot.take(node)[0]).table("ddi_steps")
    assert [row.as_dict()["schedule"] for row in steps] == [office.key, ""]


def test_steps_may_follow_a_rejection_that_keeps_to_hours(node: Node) -> None:
    night = factories.schedule(node)
    ring = {"peers": [factories.peer(node).pk]}
    assert number(node, {"kind": "reject", "schedule": night.pk}, ring).status_code == 201
    assert Number.objects.get().steps.count() == 2


def test_hours_of_another_node_are_refused(node: Node) -> None:
    other = factories.schedule(factories.node())
    answer = number(node, {"peers": [factories.peer(node).pk], "schedule": other.pk})
    assert faults(answer) == {"steps": "schedule_of_another_node"}


def test_hours_that_a_route_keeps_to_are_not_deleted(node: Node) -> None:
    office = factories.schedule(node)
    number(node, {"peers": [factories.peer(node).pk], "schedule": office.pk})
    body = problem(client(operator()).delete(f"{V1}schedules/{office.pk}/"), 409)
    assert "+442079460123 (step 1)" in body["detail"]


def test_the_route_of_a_number_names_the_hours(node: Node) -> None:
    office = factories.schedule(node, name="Office")
    number(node, {"peers": [factories.peer(node, name="Ada").pk], "schedule": office.pk})
    page: Client = panel.client()
    assert "Ada for 25 s (Office)" in page.get("/peers/number/").content.decode()
