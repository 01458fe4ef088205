"""Blocked and allowed callers in the panel and over the API, down to Asterisk's rows."""

import pytest

from ddiweb.deploy.models import Node
from peers.models import CallerRule, Number
from peers.realtime import snapshot
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def number(node: Node) -> Number:
    return factories.number(factories.trunk(node), "+442079460123", factories.peer(node))


def rules(node: Node) -> dict[str, str]:
    """The rows that the dialplan looks up: key and verdict."""
    made = render(snapshot.take(node)[0])
    return {row.id: row.as_dict()["verdict"] for row in made.table("ddi_callers")}


def test_a_rule_over_the_api_reaches_its_row(node: Node, number: Number) -> None:
    api = client(operator())
    body = {"node": "london", "prefix": "+44"}
    assert api.post(V1 + "callers/", body).status_code == 201
    own = body | {"number": number.pk, "prefix": "+441632960555", "allow": True}
    assert api.post(V1 + "callers/", own).status_code == 201
    key = f"{number.trunk.key}-442079460123-441632960555"
    assert rules(node) == {"all-44": "block", key: "allow"}
    assert pending(node) == 1


def test_the_dialplan_looks_no_further_than_the_longest_rule_of_the_number(
    node: Node, number: Number
) -> None:
    other = factories.number(number.trunk, "+442079460199", factories.peer(node))
    CallerRule.objects.create(node=node, prefix="+44")
    CallerRule.objects.create(node=node, prefix="+441632960555", number=number)
    rows = render(snapshot.take(node)[0]).table("ddi_numbers")
    assert {row.id.rpartition("-")[2]: row.as_dict()["longest"] for row in rows} == {
        number.digits: "12",
        other.digits: "2",
    }


def test_a_number_in_the_panel_says_who_may_ring_it(node: Node, number: Number) -> None:
    factories.number(number.trunk, "+442079460199", factories.peer(node))
    step = number.steps.get()
    form = panel.number_form(
        number.trunk, panel.step(list(step.peers.all()), pk=step.pk),
        anonymous="reject", listed_only="on",
    )  # fmt: skip
    answer = panel.client().post(f"/peers/number/{number.pk}/change/", form)
    assert panel.faults(answer) == ""
    rows = {row.id: row.as_dict() for row in render(snapshot.take(node)[0]).table("ddi_numbers")}
    row = rows[f"{number.trunk.key}-{number.digits}"]
    assert (row["anonymous"], row["callers"]) == ("reject", "listed")


def test_the_panel_takes_a_number_as_people_write_it(node: Node) -> None:
    form = {"node": node.pk, "prefix": "+44 1632 960-555", "number": "", "note": "sells windows"}
    assert panel.faults(panel.client().post("/peers/callerrule/add/", form)) == ""
    assert str(CallerRule.objects.get()) == "+441632960555 blocked"


@pytest.mark.parametrize(
    "prefix", ["441632", "+0441632", "+", "anonymous", "+44\n", "+4416329605551234", "+44${X}"]
)
def test_what_is_no_beginning_of_a_number_is_refused_by_name(node: Node, prefix: str) -> None:
    answer = client(operator()).post(V1 + "callers/", {"node": "london", "prefix": prefix})
    assert list(faults(answer)) == ["prefix"]
    assert not CallerRule.objects.exists()


def test_a_caller_has_one_rule_a_place(node: Node, number: Number) -> None:
    api = client(operator())
    for place in (None, number.pk):
        body = {"node": "london", "prefix": "+44", "number": place}
        assert api.post(V1 + "callers/", body).status_code == 201
        assert faults(api.post(V1 + "callers/", body)) == {"prefix": "caller_has_a_rule"}


def test_a_rule_for_a_number_of_another_node_is_refused(node: Node, number: Number) -> None:
    factories.node(slug="paris")
    body = {"node": "paris", "prefix": "+44", "number": number.pk}
    assert faults(client(operator()).post(V1 + "callers/", body)) == {
        "number": "number_of_another_node"
    }
