"""What the pages tell a newcomer: what is missing, in the field's words, and what to do next."""

import pytest
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live.models import Call, Contact
from peers import passwords, services
from peers.models import Peer
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]
PILL = ">no password</span>"


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def peer(node: Node) -> Peer:
    """Added a moment ago: it has a token and no password."""
    made = factories.peer(node, name="Ada mobile", username="ada")
    passwords.forget(made)
    made.save()
    services.peer_created(made)
    return made


def pages(peer: Peer) -> dict[str, str]:
    person = factories.person(peer.node, peer)
    places = {
        "list": "/peers/peer/", "peer": f"/peers/peer/{peer.pk}/change/", "overview": "/board/",
        "person": f"/peers/person/{person.pk}/change/",
    }  # fmt: skip
    browser = panel.client()
    return {name: browser.get(place).content.decode() for name, place in places.items()}


def test_every_page_says_of_a_peer_without_a_password_that_it_has_none(peer: Peer) -> None:
    shown = pages(peer)
    assert [name for name, page in shown.items() if PILL not in page] == []
    assert "“Set up the phone” makes one and shows it once" in shown["peer"]


def test_no_page_says_so_of_a_peer_with_a_password(peer: Peer) -> None:
    passwords.give(peer)
    assert [name for name, page in pages(peer).items() if "no password" in page] == []


def test_a_peer_that_is_registered_is_shown_so_even_if_its_newest_token_has_no_password(
    peer: Peer,
) -> None:
    passwords.give(peer)
    Peer.objects.update(carrier="username")
    Contact.objects.create(node=peer.node, endpoint=peer.key, uri="sip:x", seen_at=timezone.now())
    page = panel.client().get("/peers/peer/").content.decode()
    assert (">registered</span>" in page, PILL in page) == (True, False)


def test_the_list_of_peers_asks_no_more_for_more_of_them(
    peer: Peer,
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = panel.client()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            browser.get("/peers/peer/")
        counts.append(len(asked))
        for _ in range(3):
            more = factories.peer(peer.node, carrier="username")
            services.peer_created(more)
    assert counts[0] == counts[1]


def test_a_new_peer_leads_to_its_page_and_to_the_phone(node: Node) -> None:
    browser = panel.client()
    answer = browser.post("/peers/peer/add/", panel.peer_form(node), follow=True)
    assert answer.redirect_chain == [(f"/peers/peer/{Peer.objects.get().pk}/change/", 302)]
    assert "Next: set up the phone" in answer.content.decode()


def test_a_phone_that_was_seen_is_not_the_next_step(peer: Peer) -> None:
    peer.tokens.update(seen_at=timezone.now())
    page = panel.client().get(f"/peers/peer/{peer.pk}/change/").content.decode()
    assert "Next: set up the phone" not in page


def test_whoever_may_only_add_is_led_to_the_list(node: Node) -> None:
    adder = panel.person("adder", superuser=False, may=("peers.add_peer", "peers.view_peer"))
    answer = panel.client(adder).post("/peers/peer/add/", panel.peer_form(node))
    assert answer.headers["Location"] == "/peers/peer/"


@pytest.mark.parametrize("model", ["mailbox", "schedule", "sound", "outgoingpolicy"])
def test_a_step_says_where_to_make_what_it_has_nothing_to_choose_of(node: Node, model: str) -> None:
    number = factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    link = f'href="/peers/{model}/add/?node={node.pk}"'
    page = panel.client().get(f"/peers/number/{number.pk}/change/").content.decode()
    assert link in page


def test_a_step_says_so_no_more_when_there_is_one_and_not_of_another_node(node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    factories.mailbox(factories.node(slug="paris"))
    place, link = f"/peers/number/{number.pk}/change/", "/peers/mailbox/add/?node="
    assert link in panel.client().get(place).content.decode()
    factories.mailbox(node)
    assert link not in panel.client(panel.person("second")).get(place).content.decode()


def test_whoever_may_not_add_a_mailbox_is_given_no_link(node: Node) -> None:
    may = ("peers.add_number", "peers.view_number", "peers.add_step")
    page = panel.client(panel.person("few", superuser=False, may=may)).get("/peers/number/add/")
    assert "There is no mailbox yet: somebody who may" in page.content.decode()
    assert "/peers/mailbox/add/" not in page.content.decode()


@pytest.fixture
def call(node: Node) -> Call:
    return Call.objects.create(
        node=node, unique_id="1", started_at=timezone.now(), caller="+447700900123",
        number="442079460123", disposition="ANSWERED",
    )  # fmt: skip


@pytest.mark.parametrize("place", ["/live/call/", "/live/call/{}/change/", "/board/"])
def test_the_number_that_was_called_is_shown_in_e164(call: Call, place: str) -> None:
    factories.number(factories.trunk(call.node), "+442079460199", factories.peer(call.node))
    page = panel.client().get(place.format(call.pk)).content.decode()
    assert "+442079460123" in page


@pytest.mark.parametrize("number", ["112", "02079460123", "7"])
def test_a_short_number_is_shown_as_it_was_dialled(call: Call, number: str) -> None:
    Call.objects.update(number=number)
    page = panel.client().get("/live/call/").content.decode()
    assert f'<td class="field-called">{number}</td>' in page


@pytest.mark.parametrize("term", ["+442079460123", "+44 20 7946 0123", "+44 (20)", "442079"])
def test_a_called_number_is_found_as_it_is_shown(call: Call, term: str) -> None:
    other = Call.objects.create(
        node=call.node, unique_id="2", started_at=timezone.now(), number="331"
    )
    rows = panel.client().get("/live/call/", {"q": term}).context["cl"].result_list
    assert (call in rows, other in rows) == (True, False)


@pytest.mark.parametrize("number", ["+442079460123", "442079460123"])
def test_the_api_finds_a_called_number_with_its_plus(call: Call, number: str) -> None:
    answer = client(operator()).get(V1 + "calls/", {"number": number})
    assert [row["id"] for row in answer.json()["results"]] == [call.pk]


def test_a_person_without_the_right_sees_no_next_step(peer: Peer) -> None:
    may = ("peers.view_peer",)
    person = panel.person("viewer", superuser=False, may=may)
    page = panel.client(person).get(f"/peers/peer/{peer.pk}/change/").content.decode()
    assert "Next: set up the phone" not in page
    assert "Somebody who may change the peer" in page
