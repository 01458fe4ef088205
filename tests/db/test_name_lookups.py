"""Look-ups of callers' names, by form and API, down to Asterisk's rows and the watch's thread."""

import socket
import threading
import time
import urllib.request
from typing import Any

import pytest
from django.db import connection

from ddiweb.deploy.models import Node
from ddiweb.live.names_desk import LEASE, RENEW, NamesDesk
from peers.callernames.fetch import FetchError
from peers.models import NameLookup
from peers.realtime import snapshot
from peers.realtime.ami import AmiClient
from peers.realtime.render import render
from tests import factories
from tests.contracts.fake_ami import SECRET as AMI_SECRET
from tests.contracts.fake_ami import FakeAmi
from tests.db import panel
from tests.db.api import V1, client, faults, operator, user

pytestmark = [pytest.mark.db, pytest.mark.django_db]
SECRET = "hidden-key-of-the-service"
URL = "https://names.example/v1/{number}"
BODY = {"node": "london", "url": URL, "sign_in": "bearer", "secret": SECRET}


@pytest.fixture
def node() -> Node:
    made = factories.node(slug="london")
    factories.trunk(made)
    return made


def form(node: Node, **over: Any) -> dict[str, Any]:
    return {
        "node": node.pk, "enabled": "on", "url": URL, "sign_in": "bearer", "username": "",
        "secret": SECRET, "json_field": "", "timeout": "1500", "keep_hours": "168",
        "a_minute": "60",
    } | over  # fmt: skip


def wait_of(node: Node) -> str:
    endpoint = render(snapshot.take(node)[0]).table("trunk_endpoints")[0].as_dict()
    return endpoint["set_var"].rpartition(",")[2]


def test_its_timeout_alone_reaches_the_rows(node: Node) -> None:
    assert client(operator()).post(V1 + "name-lookups/", BODY | {"timeout": 900}).status_code == 201
    assert wait_of(node) == "900"
    rows = repr(render(snapshot.take(node)[0]).rows)
    assert SECRET not in rows
    assert "names.example" not in rows
    NameLookup.objects.update(enabled=False)
    assert wait_of(node) == "0"


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"url": "http://names.example/{number}"}, "url"),
        ({"url": "gopher://names.example/{number}"}, "url"),
        ({"url": "https://names.example/"}, "url"),
        ({"url": "https://10.1.2.3/{number}"}, "url"),
        ({"url": "https://127.0.0.1:8443/{number}"}, "url"),
        ({"url": "https://127.1/{number}"}, "url"),
        ({"url": "https://2130706433/{number}"}, "url"),
        ({"url": "https://[::1]/{number}"}, "url"),
        ({"url": "https://[fd00::7]/{number}"}, "url"),
        ({"url": "https://[::ffff:10.1.2.3]/{number}"}, "url"),
        ({"url": "https://localhost/{number}"}, "url"),
        ({"url": "https://169.254.169.254/{number}", "private_allowed": "on"}, "url"),
        ({"url": "https://[fd00:ec2::254]/{number}", "private_allowed": "on"}, "url"),
        ({"timeout": 3001}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"secret": ""}, "secret"),
        ({"secret": "a\r\nX: y"}, "secret"),
        ({"secret": "two words"}, "secret"),
        ({"sign_in": "basic"}, "username"),
        ({"json_field": "a..b"}, "json_field"),
        ({"keep_hours": 0}, "keep_hours"),
        ({"a_minute": 0}, "a_minute"),
    ],
)
def test_what_could_not_be_asked_is_refused_at_its_field_by_api_and_form(
    node: Node, over: dict[str, Any], field: str
) -> None:
    answer = client(operator()).post(V1 + "name-lookups/", BODY | over)
    assert list(faults(answer)) == [field]
    page = panel.client().post("/peers/namelookup/add/", form(node, **over))
    assert list(page.context["adminform"].form.errors) == [field]
    assert SECRET not in page.content.decode()
    assert not NameLookup.objects.exists()


@pytest.mark.parametrize("host", ["10.1.2.3", "127.0.0.1:8443", "[fd00::7]", "localhost"])
def test_the_operators_own_network_is_taken_if_it_is_allowed_and_the_fault_says_so(
    node: Node, host: str
) -> None:
    body = BODY | {"url": f"https://{host}/{{number}}"}
    answer = client(operator()).post(V1 + "name-lookups/", body)
    assert "or allow private addresses" in answer.content.decode()
    answer = client(operator()).post(V1 + "name-lookups/", body | {"private_allowed": True})
    assert answer.status_code == 201


def test_a_stored_private_address_is_refused_once_it_is_no_longer_allowed(node: Node) -> None:
    body = BODY | {"url": "https://10.1.2.3/{number}", "private_allowed": True}
    user = client(operator())
    place = f"{V1}name-lookups/{user.post(V1 + 'name-lookups/', body).json()['id']}/"
    assert list(faults(user.patch(place, {"private_allowed": False}))) == ["url"]
    assert NameLookup.objects.get().private_allowed


def test_the_secret_goes_in_encrypted_and_never_comes_out(node: Node) -> None:
    browser = panel.client()
    assert panel.faults(browser.post("/peers/namelookup/add/", form(node))) == ""
    row = NameLookup.objects.get()
    assert row.lookup().authorization == f"Bearer {SECRET}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM peers_namelookup")
        assert SECRET not in str(cursor.fetchall())
    pages = [f"/peers/namelookup/{row.pk}/change/", f"/peers/namelookup/{row.pk}/history/"]
    assert all(SECRET not in browser.get(page).content.decode() for page in pages)
    answer = client(operator()).get(f"{V1}name-lookups/{row.pk}/")
    assert (SECRET in answer.content.decode(), answer.json()["secret_set"]) == (False, True)


def test_a_blank_secret_keeps_it_and_nothing_to_sign_in_with_removes_it(node: Node) -> None:
    browser = panel.client()
    browser.post("/peers/namelookup/add/", form(node))
    row = NameLookup.objects.get()
    change = f"/peers/namelookup/{row.pk}/change/"
    browser.post(change, form(node, secret="", timeout="700"))
    assert NameLookup.objects.get().secret == SECRET
    assert panel.faults(browser.post(change, form(node, secret="", sign_in="none"))) == ""
    assert NameLookup.objects.get().secret == ""


@pytest.mark.parametrize(
    "url",
    ["https://thief.example/v1/{number}", "https://names.example:444/v1/{number}",
     "http://names.example/v1/{number}"],
)  # fmt: skip
def test_a_stored_secret_goes_to_no_other_service(node: Node, url: str) -> None:
    client(operator()).post(V1 + "name-lookups/", BODY)
    row = NameLookup.objects.get()
    place, thief = f"{V1}name-lookups/{row.pk}/", client(user(only=("change_namelookup",)))
    moved = {"url": url, "private_allowed": True}
    for over in ({}, {"sign_in": "none"}):
        assert list(faults(thief.patch(place, moved | over, format="json"))) == ["secret"]
    # Nor while nothing is signed in with: that could be changed next.
    NameLookup.objects.update(sign_in="none")
    assert list(faults(thief.patch(place, moved, format="json"))) == ["secret"]
    NameLookup.objects.update(sign_in="bearer")
    change = f"/peers/namelookup/{row.pk}/change/"
    page = panel.client().post(change, form(node, url=url, secret="", private_allowed="on"))
    assert list(page.context["adminform"].form.errors) == ["secret"]
    row.refresh_from_db()
    assert row.url == URL
    assert thief.patch(place, {"url": URL + "?x=1"}, format="json").status_code == 200
    assert thief.patch(place, moved | {"secret": "own"}, format="json").status_code == 200


def test_there_is_one_a_node(node: Node) -> None:
    user = client(operator())
    user.post(V1 + "name-lookups/", BODY)
    assert list(faults(user.post(V1 + "name-lookups/", BODY))) == ["node"]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_the_dialplan_is_told_that_it_may_ask_only_while_the_port_is_ours(node: Node) -> None:
    fake = FakeAmi()
    desk = NamesDesk("london", _free_port(), threading.Event())
    try:
        NameLookup.objects.create(node=node, url=URL)
        with AmiClient("127.0.0.1", fake.port, "ddiweb", AMI_SECRET, timeout=2) as client:
            with socket.create_server(("127.0.0.1", desk.port)):
                assert "OSError" in desk._look()
                desk.lease(node, client)
                assert fake.database == {}
            assert desk._look() == ""
            desk.lease(node, client)
        left = int(fake.database["until"]) - time.time()
        assert RENEW < left <= LEASE
    finally:
        desk._listen(wanted=False)
        fake.server.close()


def test_the_watch_answers_by_the_settings_of_now_and_notes_how_the_service_fares(
    node: Node,
) -> None:
    desk = NamesDesk("london", _free_port(), threading.Event())
    said: list[Any] = ["Ada", FetchError("it answers 500")]

    def ask(*_: Any) -> str:
        found = said.pop(0)
        if isinstance(found, Exception):
            raise found
        return str(found)

    desk.names._ask = ask
    row = NameLookup.objects.create(node=node, url=URL)
    try:
        assert desk._look() == ""
        url = f"http://127.0.0.1:{desk.port}/name/"
        for digits, name in (("441632960111", b"Ada"), ("441632960112", b"")):
            with urllib.request.urlopen(url + digits, timeout=5) as answer:  # noqa: S310
                assert answer.read() == name
            desk._look()
        row.refresh_from_db()
        assert row.last_error == "it answers 500"
        assert row.answered_at
        assert row.failing_since
        NameLookup.objects.update(enabled=False)
        desk._look()
        with pytest.raises(OSError):
            urllib.request.urlopen(url + "441632960111", timeout=5)  # noqa: S310
    finally:
        desk._listen(wanted=False)


def test_the_page_says_how_the_service_fares(node: Node) -> None:
    row = NameLookup.objects.create(node=node, url=URL, last_error="it answers 500")
    page = panel.client().get(f"/peers/namelookup/{row.pk}/change/").content.decode()
    assert "it answers 500" in page
