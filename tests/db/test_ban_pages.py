"""Bans in the panel and over the API: adding, refusing, letting in again, and who may."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from ddiweb import clock
from ddiweb.deploy.models import Node
from ddiweb.live.models import SecurityEvent
from firewall.ban_models import Ban
from tests import factories
from tests.db import api, panel
from tests.db.api import V1

pytestmark = [pytest.mark.db, pytest.mark.django_db]
STRANGER = "198.51.100.66"
URL = f"{V1}bans/"


@pytest.fixture
def node() -> Node:
    made = factories.node(slug="london")
    factories.management(made, "192.0.2.0/28")
    panel.settle()
    return made


@pytest.fixture
def browser() -> Client:
    return panel.client()


def form(node: Node, **over: Any) -> dict[str, Any]:
    values = {"node": node.pk, "cidr": STRANGER, "reason": "abuse", "seconds": "3600", "note": ""}
    return values | over


def wish(**over: Any) -> dict[str, Any]:
    return {"node": "london", "cidr": STRANGER, "seconds": 3600} | over


def test_a_person_bans_an_address_for_an_hour(node: Node, browser: Client) -> None:
    answer = browser.post("/firewall/ban/add/", form(node, note="report 7"))
    assert panel.faults(answer) == ""
    row = Ban.objects.get()
    left = (row.until or clock.now()) - clock.now()
    assert (row.cidr, row.note, str(row.created_by)) == (f"{STRANGER}/32", "report 7", "root")
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


def test_a_person_bans_a_network_for_good(node: Node, browser: Client) -> None:
    browser.post("/firewall/ban/add/", form(node, cidr="198.51.0.0/16", seconds=""))
    assert (Ban.objects.get().until, len(panel.pending(node))) == (None, 1)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"cidr": "192.0.2.7"}, "would shut out a management network"),
        ({"cidr": "127.0.0.0/24"}, "loopback"),
        ({"cidr": "198.51.0.0/16"}, "too wide for a timed ban"),
        ({"cidr": "198.51.100.7\n"}, "control character"),
        ({"cidr": ""}, "required"),
        ({"seconds": "5"}, "valid choice"),
        ({"reason": "x"}, "valid choice"),
        ({"note": "a\tb"}, "control character"),
    ],
)
def test_a_refused_ban_says_why_and_changes_nothing(
    node: Node, browser: Client, over: dict[str, str], words: str
) -> None:
    answer = browser.post("/firewall/ban/add/", form(node, **over))
    assert words in panel.faults(answer)
    assert not Ban.objects.exists()


def test_nobody_bans_the_address_where_he_sits(node: Node, browser: Client) -> None:
    answer = browser.post(
        "/firewall/ban/add/", form(node, cidr="203.0.113.77"), REMOTE_ADDR="203.0.113.77"
    )
    assert "where you sit" in panel.faults(answer)


def test_one_click_lets_in_again_and_the_reason_is_kept(node: Node, browser: Client) -> None:
    row = factories.ban(node, STRANGER)
    page = browser.get("/firewall/ban/").content.decode()
    assert f'formaction="/firewall/ban/{row.pk}/lift/"' in page
    browser.post(f"/firewall/ban/{row.pk}/lift/")
    row.refresh_from_db()
    assert (row.active, str(row.lifted_by)) == (False, "root")
    assert STRANGER not in browser.get("/firewall/ban/").content.decode().partition("<table")[2]
    assert STRANGER in browser.get("/firewall/ban/?state=ended").content.decode()


def test_a_ban_is_neither_edited_nor_deleted(node: Node, browser: Client) -> None:
    row = factories.ban(node, STRANGER)
    browser.post(f"/firewall/ban/{row.pk}/change/", form(node, cidr="198.51.100.9"))
    assert browser.post(f"/firewall/ban/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Ban.objects.get().cidr == f"{STRANGER}/32"


def test_letting_in_by_a_link_does_nothing(node: Node, browser: Client) -> None:
    row = factories.ban(node, STRANGER)
    assert browser.get(f"/firewall/ban/{row.pk}/lift/").status_code == 405


def test_a_viewer_lets_nobody_in(node: Node) -> None:
    row = factories.ban(node, STRANGER)
    viewer = panel.client(panel.person("viewer", superuser=False, may=["firewall.view_ban"]))
    assert "formaction" not in viewer.get("/firewall/ban/").content.decode()
    assert viewer.post(f"/firewall/ban/{row.pk}/lift/").status_code == 403
    assert Ban.objects.get().active


def test_security_events_lead_to_the_filled_form(node: Node, browser: Client) -> None:
    SecurityEvent.objects.create(node=node, at=clock.now(), kind="wrong_password", address=STRANGER)
    link = f"/firewall/ban/add/?node={node.pk}&amp;cidr={STRANGER}&amp;reason=wrong_password"
    assert link in browser.get("/live/securityevent/").content.decode()
    assert f'value="{STRANGER}"' in browser.get(link.replace("&amp;", "&")).content.decode()


def test_the_first_page_counts_the_banned(node: Node, browser: Client) -> None:
    factories.ban(node, STRANGER)
    assert "address banned now" in browser.get("/").content.decode()


def test_a_program_bans_and_lets_in_again(node: Node) -> None:
    ops = api.client(api.operator())
    made = ops.post(URL, wish(reason="leaked_token", note="x"))
    assert (made.status_code, made.json()["active"]) == (201, True)
    lifted = ops.post(f"{URL}{made.json()['id']}/lift/", {})
    assert (lifted.status_code, lifted.json()["active"]) == (200, False)
    assert ops.get(f"{URL}?active=true").json()["results"] == []
    assert ops.get(f"{URL}?active=false").json()["results"][0]["reason"] == "leaked_token"


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"cidr": "192.0.2.7"}, {"cidr": "guarded"}),
        ({"cidr": "198.51.100.0/23"}, {"cidr": "too_wide"}),
        ({"cidr": "x"}, {"cidr": "network"}),
        ({"seconds": 0}, {"seconds": "min_value"}),
        ({"seconds": 31 * 86_400 + 1}, {"seconds": "max_value"}),
        ({"reason": "x"}, {"reason": "invalid_choice"}),
        ({"until": "now"}, {"until": "unknown_field"}),
    ],
)
def test_a_program_is_told_the_field_at_fault(
    node: Node, over: dict[str, Any], fault: dict[str, str]
) -> None:
    assert api.faults(api.client(api.operator()).post(URL, wish(**over))) == fault
    assert not Ban.objects.exists()


@pytest.mark.parametrize(
    ("may", "status"),
    [((), 403), (("view_ban",), 403), (("add_ban",), 201), (("change_ban",), 403)],
)
def test_a_ban_needs_its_permission(node: Node, may: tuple[str, ...], status: int) -> None:
    assert api.client(api.user(only=may)).post(URL, wish()).status_code == status
