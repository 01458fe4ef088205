"""Persons with several phones, by form and API, down to Asterisk's rows."""

from typing import Any

import pytest
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live.models import Contact
from peers.models import Number, Peer, Person, Step
from peers.person_rules import MOST_PHONES
from peers.realtime import snapshot
from peers.realtime.render import render
from peers.realtime.routes import TARGETS_MAX
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def phones(node: Node) -> tuple[Peer, Peer]:
    return factories.peer(node, username="ada1"), factories.peer(node, username="ada2")


@pytest.fixture
def ada(node: Node, phones: tuple[Peer, Peer]) -> Person:
    return factories.person(node, *phones, name="Ada")


@pytest.fixture
def number(node: Node) -> Number:
    return factories.number(factories.trunk(node), "+442079460123", factories.peer(node))


def route(number: Number, *steps: dict[str, Any]) -> Any:
    return client(operator()).patch(f"{V1}numbers/{number.pk}/", {"steps": list(steps)})


def stages(node: Node) -> list[tuple[str, str]]:
    rows = render(snapshot.take(node)[0]).table("ddi_steps")
    return [(row.as_dict()["target"], row.as_dict()["timeout"]) for row in rows]


def test_a_step_that_names_a_person_rings_all_phones_at_once(
    node: Node, number: Number, ada: Person
) -> None:
    assert route(number, {"persons": [ada.pk]}).status_code == 200
    assert stages(node) == [("ada1&ada2", "25")]


def test_a_phone_that_is_named_beside_its_person_rings_once(
    node: Node, number: Number, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    assert route(number, {"persons": [ada.pk], "peers": [phones[1].pk]}).status_code == 200
    assert stages(node) == [("ada1&ada2", "25")]


def test_in_turn_a_person_is_one_stage_before_the_single_phones(
    node: Node, number: Number, ada: Person
) -> None:
    bob = factories.peer(node, username="bob")
    step = {"persons": [ada.pk], "person_seconds": [10], "peers": [bob.pk], "in_turn": True}
    answer = route(number, step)
    assert answer.status_code == 200
    assert answer.json()["steps"][0]["person_seconds"] == [10]
    assert stages(node) == [("ada1&ada2", "10"), ("bob", "25")]


def test_the_route_in_the_panel_names_persons_in_order(
    node: Node, number: Number, ada: Person
) -> None:
    form = panel.number_form(number.trunk, panel.step(persons=[ada]), e164="+442079460124")
    browser = panel.client()
    assert panel.faults(browser.post("/peers/number/add/", form)) == ""
    assert [one.name for one in Step.objects.latest("pk").persons.all()] == ["Ada"]
    assert "Ada for 20 s" in browser.get("/peers/number/").content.decode()


def test_a_switched_off_phone_of_a_person_leaves_the_others(
    node: Node, number: Number, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    route(number, {"persons": [ada.pk]})
    Peer.objects.filter(pk=phones[0].pk).update(enabled=False)
    assert stages(node) == [("ada2", "25")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"peers": [], "persons": []}, "steps"),
        ({"kind": "reject", "persons": ["ada"]}, "steps.0.persons"),
        ({"persons": ["ada"], "person_seconds": [5, 5]}, "steps.0.person_seconds"),
        ({"persons": ["nobody"]}, "steps"),
        ({"persons": ["elsewhere"]}, "steps"),
    ],
)
def test_a_step_whose_persons_can_not_ring_is_refused(
    node: Node, number: Number, ada: Person, body: dict[str, Any], field: str
) -> None:
    far = factories.node()
    people = {
        "ada": ada,
        "nobody": factories.person(node),
        "elsewhere": factories.person(far, factories.peer(far)),
    }
    step = body | {"persons": [people[name].pk for name in body["persons"]]}
    assert list(faults(route(number, step))) == [field]


def test_a_person_in_a_step_can_not_be_deleted_and_the_error_names_the_step(
    number: Number, ada: Person
) -> None:
    route(number, {"persons": [ada.pk]})
    answer = client(operator()).delete(f"{V1}persons/{ada.pk}/")
    assert "number +442079460123, step 1" in problem(answer, 409)["detail"]
    page = panel.client().post(f"/peers/person/{ada.pk}/delete/", {"post": "yes"})
    assert "number +442079460123, step 1" in page.content.decode()
    assert Person.objects.filter(pk=ada.pk).exists()


def test_without_a_step_a_person_goes_and_the_phones_stay(ada: Person) -> None:
    assert client(operator()).delete(f"{V1}persons/{ada.pk}/").status_code == 200
    assert Peer.objects.filter(person=None).count() == 2


def test_the_last_phone_of_a_rung_person_can_neither_be_taken_nor_deleted(
    number: Number, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    route(number, {"persons": [ada.pk]})
    user = client(operator())
    empty = user.patch(f"{V1}persons/{ada.pk}/", {"phones": []})
    assert faults(empty) == {"phones": "rings_nobody"}
    assert user.delete(f"{V1}peers/{phones[0].pk}/").status_code == 200
    problem(user.delete(f"{V1}peers/{phones[1].pk}/"), 409)


def test_a_person_may_not_grow_beyond_what_a_step_can_ring(
    node: Node, number: Number, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    others = [factories.peer(node).pk for _ in range(TARGETS_MAX - 2)]
    assert route(number, {"persons": [ada.pk], "peers": others}).status_code == 200
    grown = [*(phone.pk for phone in phones), factories.peer(node).pk]
    answer = client(operator()).patch(f"{V1}persons/{ada.pk}/", {"phones": grown})
    assert faults(answer) == {"phones": "too_many_peers"}


def test_a_phone_is_one_persons_only(node: Node, ada: Person, phones: tuple[Peer, Peer]) -> None:
    body = {"node": "london", "name": "Bob", "phones": [phones[0].pk]}
    answer = client(operator()).post(f"{V1}persons/", body)
    assert faults(answer) == {"phones": "phone_of_another"}
    form = {"node": node.pk, "name": "Bob", "phones": [phones[0].pk]}
    page = panel.client().post("/peers/person/add/", form)
    assert "is a phone of Ada" in panel.faults(page)


def test_a_phone_of_another_node_and_one_too_many_are_refused(node: Node, ada: Person) -> None:
    far = factories.peer(factories.node()).pk
    many = [factories.peer(node).pk for _ in range(MOST_PHONES + 1)]
    for phones, code in (([far], "other_node"), (many, "too_many_phones")):
        answer = client(operator()).patch(f"{V1}persons/{ada.pk}/", {"phones": phones})
        assert faults(answer) == {"phones": code}
    assert ada.phones.count() == 2


def test_the_panel_gives_and_takes_phones_and_deploys(
    node: Node, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    panel.settle()
    form = {"name": "Ada L.", "phones": [phones[1].pk]}
    answer = panel.client().post(f"/peers/person/{ada.pk}/change/", form)
    assert answer.status_code == 302
    assert [phone.pk for phone in ada.phones.all()] == [phones[1].pk]
    assert pending(node) == 1


def test_the_page_says_which_phones_are_there(
    node: Node, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    Contact.objects.create(
        node=node, endpoint=phones[0].key, uri="sip:x", address="198.51.100.7:5",
        seen_at=timezone.now(),
    )  # fmt: skip
    browser = panel.client()
    page = browser.get(f"/peers/person/{ada.pk}/change/").content.decode()
    assert page.count("not registered") == 1
    assert "198.51.100.7:5" in page
    assert "1 of 2 registered" in browser.get("/peers/person/").content.decode()
    assert "A phone of" in browser.get(f"/peers/peer/{phones[0].pk}/change/").content.decode()
    answer = client(operator()).get(f"{V1}persons/{ada.pk}/").json()
    assert answer["registered"] == [phones[0].pk]


def test_numbers_are_found_by_a_phone_of_the_person_they_ring(
    number: Number, ada: Person, phones: tuple[Peer, Peer]
) -> None:
    route(number, {"persons": [ada.pk]})
    user = client(operator())
    for query in (f"peer={phones[0].pk}", f"person={ada.pk}"):
        assert user.get(f"{V1}numbers/?{query}").json()["count"] == 1


def test_a_phone_is_not_given_away_over_the_phone_itself(
    ada: Person, phones: tuple[Peer, Peer]
) -> None:
    answer = client(operator()).patch(f"{V1}peers/{phones[0].pk}/", {"person": None})
    assert faults(answer) == {"person": "read_only"}
