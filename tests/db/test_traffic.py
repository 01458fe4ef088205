"""Counters as time series: nothing is lost or doubled between readings, hours and pages."""

from typing import Any

import pytest

from ddiweb.deploy.models import Node
from firewall import traffic
from firewall.models import TrafficSample
from peers import services
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, user

pytestmark = [pytest.mark.db, pytest.mark.django_db]
NOON = 1_900_000_800 // 3600 * 3600


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


def reading(epoch: str = "a", **totals: dict[str, int]) -> dict[str, Any]:
    return {"epoch": epoch, "totals": totals}


def stored(kind: str = "drop") -> dict[str, int]:
    found: dict[str, int] = {}
    for row in TrafficSample.objects.filter(kind=kind):
        found[row.key] = found.get(row.key, 0) + row.packets
    return found


def test_what_rose_between_two_readings_is_stored(node: Node) -> None:
    traffic.record(node, reading(drop={"no_token": 5}), NOON)
    traffic.record(node, reading(drop={"no_token": 9, "banned": 2}), NOON + 30)
    assert stored() == {"no_token": 9, "banned": 2}
    assert sorted(TrafficSample.objects.values_list("packets", flat=True)) == [2, 4, 5]


def test_a_new_epoch_counts_from_zero(node: Node) -> None:
    traffic.record(node, reading("a", drop={"no_token": 100}), NOON)
    traffic.record(node, reading("b", drop={"no_token": 30}), NOON + 30)
    assert stored() == {"no_token": 130}


def test_an_older_or_equal_reading_is_stored_once(node: Node) -> None:
    for at in (NOON, NOON, NOON - 30):
        traffic.record(node, reading(drop={"no_token": 5}), at)
    assert stored() == {"no_token": 5}


def test_quiet_subjects_have_no_row(node: Node) -> None:
    for turn in range(3):
        traffic.record(node, reading(drop={"no_token": 5}), NOON + 30 * turn)
    assert TrafficSample.objects.count() == 1


def test_a_crowd_of_subjects_is_kept_as_the_busiest_and_a_rest(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "MOST_SUBJECTS", 3)
    traffic.record(node, reading(ban={f"192.0.2.{n}": n for n in range(1, 8)}), NOON)
    found = stored("ban")
    assert found == {"192.0.2.7": 7, "192.0.2.6": 6, "192.0.2.5": 5, traffic.OTHERS: 10}


def test_a_day_later_intervals_are_hours_and_no_packet_is_lost(node: Node) -> None:
    for turn in range(250):  # a little more than two hours
        traffic.record(node, reading(drop={"no_token": turn * 7, "banned": turn}), NOON + 30 * turn)
    before = stored()
    fine = TrafficSample.objects.count()
    for later in (1, 2):
        traffic.roll_up(NOON + 86_400 * later + 250 * 30)
    assert (stored(), fine > 400, TrafficSample.objects.count()) == (before, True, 6)
    assert {row.at % 3600 for row in TrafficSample.objects.all()} == {0}


def test_the_last_day_keeps_its_intervals(node: Node) -> None:
    traffic.record(node, reading(drop={"no_token": 1}), NOON)
    traffic.roll_up(NOON + 3600)
    assert TrafficSample.objects.get().at == NOON


def test_after_ninety_days_it_is_forgotten(node: Node) -> None:
    traffic.record(node, reading(drop={"no_token": 1}), NOON)
    traffic.roll_up(NOON + traffic.KEEP_SECONDS)
    assert not TrafficSample.objects.exists()


@pytest.mark.parametrize("seconds", [600, 3600, 86_400, 7 * 86_400, 90 * 86_400])
def test_a_chart_holds_every_packet_of_its_time_in_few_columns(node: Node, seconds: int) -> None:
    for turn in range(1, 21):
        at = NOON + seconds * turn // 20
        traffic.record(node, reading(drop={"no_token": turn * 3}), at)
    found = traffic.chart(node, NOON, until=NOON + seconds)
    (series,) = found.of("drop")
    assert (series.total, sum(series.columns)) == (60, 60)
    assert len(series.columns) <= traffic.MOST_COLUMNS + 1


def test_a_chart_shows_the_busiest_first(node: Node) -> None:
    totals = {f"r{n}": n for n in range(1, 9)}
    traffic.record(node, reading(drop=totals), NOON)
    found = traffic.chart(node, NOON - 60, until=NOON + 60, most=2)
    assert [one.key for one in found.of("drop")] == ["r8", "r7"]


def test_the_page_names_phones_and_vendors(node: Node) -> None:
    peer = factories.peer(node, name="Ada mobile")
    token = services.issue_token(peer)
    factories.trunk(node, "203.0.113.20/32", name="Vendor One")
    found = reading(token={str(token.mark): 3}, vendor={"203.0.113.20": 8}, drop={"no_token": 2})
    traffic.record(node, found)
    page = panel.client().get("/firewall/trafficsample/?node=london").content.decode()
    for text in ("Ada mobile", "Vendor One", "No token", "<svg"):
        assert text in page
    assert token.value not in page


def test_the_page_of_an_empty_panel_says_so() -> None:
    assert "no node yet" in panel.client().get("/firewall/trafficsample/").content.decode()


def test_somebody_without_the_permission_sees_no_traffic(node: Node) -> None:
    nobody = panel.client(panel.person("nobody", superuser=False))
    assert nobody.get("/firewall/trafficsample/").status_code == 403


def test_the_api_gives_named_series(node: Node) -> None:
    factories.trunk(node, "203.0.113.20/32", name="Vendor One")
    traffic.record(node, reading(vendor={"203.0.113.20": 8}, drop={"no_token": 2}))
    body = client(user("view")).get(f"{V1}nodes/london/traffic/?kind=vendor").json()
    (series,) = body["series"]
    assert (series["name"], series["total"], sum(series["packets"])) == ("Vendor One", 8, 8)


@pytest.mark.parametrize("query", ["since=yesterday", "kind=x'y", "kind=VENDOR", "from=1"])
def test_a_bad_parameter_is_refused_by_name(node: Node, query: str) -> None:
    reply = client(user("view")).get(f"{V1}nodes/london/traffic/?{query}")
    assert list(faults(reply)) == [query.partition("=")[0]]


def test_the_pages_of_a_phone_and_a_vendor_show_their_day(node: Node) -> None:
    peer, trunk = factories.peer(node), factories.trunk(node, "203.0.113.20/32", "192.0.2.0/24")
    mark = str(services.issue_token(peer).mark)
    vendors = {"203.0.113.20": 5, "192.0.2.0/24": 6, "198.51.100.1": 9}
    traffic.record(node, reading(token={mark: 7, "999": 1}, vendor=vendors))
    browser = panel.client()
    phone = browser.get(f"/peers/peer/{peer.pk}/change/").content.decode()
    vendor = browser.get(f"/peers/trunk/{trunk.pk}/change/").content.decode()
    assert "7 packets with its tokens" in phone
    assert "11 packets from its networks" in vendor
