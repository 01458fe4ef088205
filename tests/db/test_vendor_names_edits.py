"""Vendors' names in the panel and over the API."""

import html

import pytest
from django.test import Client
from rest_framework.test import APIClient

from peers.models import Trunk, TrunkAddress, TrunkHost
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending
from tests.db.vendor_names import NAME, World, name_server, world

pytestmark = [pytest.mark.db, pytest.mark.django_db]
__all__ = ["name_server", "world"]


@pytest.fixture
def admin() -> Client:
    return panel.client()


@pytest.fixture
def api() -> APIClient:
    return client(operator())


def page(admin: Client, trunk: Trunk) -> str:
    return html.unescape(admin.get(f"/peers/trunk/{trunk.pk}/change/").content.decode())


def test_a_trunk_with_a_name_is_added_in_the_panel(admin: Client) -> None:
    node = factories.node()
    form = panel.trunk_form(node) | panel.hosts((None, " SIP.Vendor.Example. ", "address"))
    assert panel.faults(admin.post("/peers/trunk/add/", form)) == ""
    assert TrunkHost.objects.get().name == "sip.vendor.example"
    assert [row.reason for row in panel.pending(node)] == ["trunk Vendor added"]


@pytest.mark.parametrize(
    "name",
    ["203.0.113.20", "localhost", "a b.example", "_sip._udp.example.net", "x.example\n", "1.2",
     "-a.example", "a..example", "${x}.example", "ex\u00e4mple.net", "2001:db8::1",
     "a" * 64 + ".net"],
)  # fmt: skip
def test_what_is_no_full_host_name_is_refused_at_every_edge(
    admin: Client, api: APIClient, name: str
) -> None:
    node = factories.node()
    form = panel.trunk_form(node) | panel.hosts((None, name, "address"))
    assert panel.faults(admin.post("/peers/trunk/add/", form))
    body = {"node": node.slug, "name": "Vendor", "hosts": [{"name": name}]}
    assert list(faults(api.post(V1 + "trunks/", body))) == ["hosts.0.name"]
    assert not TrunkHost.objects.exists()


def test_one_name_twice_is_refused_in_the_panel(admin: Client) -> None:
    form = panel.trunk_form(factories.node())
    form |= panel.hosts((None, "a.example", "address"), (None, "A.example.", "address"))
    assert "duplicate" in panel.faults(admin.post("/peers/trunk/add/", form))


def test_more_names_than_the_limit_are_refused_in_the_panel(admin: Client) -> None:
    names = [(None, f"s{n}.example", "address") for n in range(17)]
    form = panel.trunk_form(factories.node()) | panel.hosts(*names)
    assert panel.faults(admin.post("/peers/trunk/add/", form))


def test_the_trunks_page_shows_each_address_with_its_state(admin: Client, world: World) -> None:
    world.server.says(NAME, "203.0.113.20", "127.0.0.1")
    world.look()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    text = page(admin, world.trunk)
    for words in ("203.0.113.20", "let in until", "203.0.113.21", "a loopback address"):
        assert words in text


def test_the_trunks_page_and_list_say_that_a_lookup_fails(admin: Client, world: World) -> None:
    world.server.fails(NAME, "servfail")
    world.look()
    assert "the name servers could not answer; what was known is kept" in page(admin, world.trunk)
    listed = html.unescape(admin.get("/peers/trunk/").content.decode())
    assert f"{NAME} can't be looked up" in listed


def test_another_name_in_the_same_row_forgets_what_the_old_one_led_to(
    admin: Client, world: World
) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    form = panel.trunk_form(world.node, name="London")
    form |= panel.hosts((world.host.pk, "other.example", "address"))
    assert panel.faults(admin.post(f"/peers/trunk/{world.trunk.pk}/change/", form)) == ""
    assert world.let_in() == []
    assert world.fresh().next_check_at is None


def test_saving_a_trunk_unchanged_keeps_its_addresses_and_asks_for_nothing(
    admin: Client, world: World
) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    panel.settle()
    form = panel.trunk_form(world.node, name="London") | panel.hosts(
        (world.host.pk, NAME.upper(), "address")
    )
    assert panel.faults(admin.post(f"/peers/trunk/{world.trunk.pk}/change/", form)) == ""
    assert world.let_in() == ["203.0.113.20"]
    assert panel.pending() == []


def test_the_api_takes_names_and_shows_addresses(api: APIClient, world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.server.says("b.example", "203.0.113.21", "10.0.0.1")
    url = f"{V1}trunks/{world.trunk.pk}/"
    body = {"hosts": [{"name": NAME}, {"name": "B.example", "kind": "address", "note": "spare"}]}
    assert api.patch(url, body).status_code == 200
    assert pending(world.node) == 1
    world.look()
    found = {
        (one["name"], address["address"]): (address["state"], address["note"])
        for one in api.get(url).json()["hosts"]
        for address in one["addresses"]
    }
    assert found == {
        (NAME, "203.0.113.20"): ("live", ""),
        ("b.example", "203.0.113.21"): ("live", ""),
        ("b.example", "10.0.0.1"): ("refused", "a private address, which this trunk may not have"),
    }


def test_the_api_keeps_the_addresses_of_a_name_that_stays(api: APIClient, world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    api.patch(f"{V1}trunks/{world.trunk.pk}/", {"hosts": [{"name": NAME}, {"name": "b.example"}]})
    assert world.let_in() == ["203.0.113.20"]
    api.patch(f"{V1}trunks/{world.trunk.pk}/", {"hosts": [{"name": "b.example"}]})
    assert world.let_in() == []


def test_the_api_refuses_addresses_names_twice_and_too_many_names(
    api: APIClient, world: World
) -> None:
    url = f"{V1}trunks/{world.trunk.pk}/"
    written = {"hosts": [{"name": NAME, "addresses": []}]}
    assert faults(api.patch(url, written)) == {"hosts.0.addresses": "read_only"}
    twice = {"hosts": [{"name": NAME}, {"name": NAME.upper()}]}
    assert faults(api.patch(url, twice)) == {"hosts.1.name": "repeated"}
    many = {"hosts": [{"name": f"s{n}.example"} for n in range(17)]}
    assert set(faults(api.patch(url, many))) == {"hosts"}


def test_the_api_lists_many_trunks_without_a_query_for_each(
    api: APIClient, world: World, django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        host = factories.host(factories.trunk(world.node), f"s{number}.example")
        TrunkAddress.objects.create(
            host=host, address=f"198.51.100.{number}", first_seen=world.now, last_seen=world.now
        )
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert api.get(V1 + "trunks/").json()["count"] == 21
