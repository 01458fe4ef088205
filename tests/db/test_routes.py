"""Blocks, steps that forward and names of callers, by form and API, down to Asterisk's rows."""

from typing import Any

import pytest

from ddiweb.deploy.models import Node
from peers.models import CallerName, Number, Peer, Step
from peers.realtime import snapshot
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def phone(node: Node) -> Peer:
    return factories.peer(node, username="ada")


@pytest.fixture
def number(node: Node, phone: Peer) -> Number:
    return factories.number(factories.trunk(node), "+442079460123", phone)


def route(number: Number, *steps: dict[str, Any]) -> Any:
    return client(operator()).patch(f"{V1}numbers/{number.pk}/", {"steps": list(steps)})


def test_a_step_that_forwards_reaches_its_row(node: Node, number: Number) -> None:
    policy = factories.policy(number)
    step = {"kind": "forward", "forward_to": "+447700900123", "policy": policy.pk}
    assert route(number, step).status_code == 200
    row = render(snapshot.take(node)[0]).table("ddi_steps")[0].as_dict()
    assert (row["kind"], row["target"], row["policy"]) == ("forward", "447700900123", policy.key)


@pytest.mark.parametrize("to", ["+442079460123", "+442079460210", ""])
def test_a_call_is_not_forwarded_in_a_circle_nor_to_nowhere(number: Number, to: str) -> None:
    factories.number(number.trunk, "+442079460200", last="+442079460299", enabled=False)
    step = {"kind": "forward", "forward_to": to, "policy": factories.policy(number).pk}
    assert route(number, step).status_code == 400


def test_a_policy_of_another_node_does_not_forward(number: Number) -> None:
    other = factories.number(factories.trunk(factories.node()), "+442079460777")
    step = {"kind": "forward", "forward_to": "+447700900123", "policy": factories.policy(other).pk}
    assert "another node" in route(number, step).content.decode()


@pytest.mark.parametrize("last", ["+442079460122", "+4420794601999", "+442089460123"])
def test_what_is_no_block_is_refused_at_its_field(number: Number, last: str) -> None:
    answer = client(operator()).patch(f"{V1}numbers/{number.pk}/", {"last": last})
    assert (answer.status_code, "last" in faults(answer)) == (400, True)


def test_blocks_may_hold_a_number_of_its_own_but_share_none_with_another_block(
    node: Node, number: Number
) -> None:
    body = {"trunk": number.trunk.pk, "e164": "+442079460100", "last": "+442079460199",
            "steps": [{"kind": "reject"}]}  # fmt: skip
    user = client(operator())
    assert user.post(V1 + "numbers/", body).status_code == 201
    again = body | {"e164": "+442079460150", "last": "+442079460250"}
    assert "shares numbers" in user.post(V1 + "numbers/", again).content.decode()
    assert len(render(snapshot.take(node)[0]).table("ddi_ranges")) == 2


def test_phones_of_the_panel_ring_in_the_order_of_the_page_each_for_its_time(
    node: Node, phone: Peer
) -> None:
    bob = factories.peer(node, username="bob")
    step = panel.step([bob, phone]) | {"in_turn": "on", f"phones-seconds-{bob.pk}": "10"}
    form = panel.number_form(factories.trunk(node), step)
    assert panel.faults(panel.client().post("/peers/number/add/", form)) == ""
    places = Step.objects.get().places.all()
    assert [(one.peer.username, one.seconds) for one in places] == [("bob", 10), ("ada", None)]
    rows = render(snapshot.take(node)[0]).table("ddi_steps")
    stages = [row.as_dict() for row in rows]
    assert [(one["target"], one["timeout"]) for one in stages] == [("bob", "10"), ("ada", "20")]


def test_a_name_of_the_directory_reaches_its_row_and_hostile_ones_are_refused(node: Node) -> None:
    user = client(operator())
    body = {"node": "london", "e164": "+441632960555", "name": "Ada Lovelace"}
    assert user.post(V1 + "caller-names/", body).status_code == 201
    assert render(snapshot.take(node)[0]).by_key["ddi_names", "441632960555"].values == (
        "Ada Lovelace",
    )
    for name in panel.HOSTILE.values():
        bad = body | {"e164": "+441632960556", "name": name}
        assert user.post(V1 + "caller-names/", bad).status_code == 400
    assert CallerName.objects.count() == 1
