"""Outgoing policies: panel and API, down to the rows that Asterisk looks up."""

from typing import Any

import pytest

from ddiweb.deploy.models import Node
from peers.models import Number, OutgoingPolicy, OutgoingTrunk, Peer, Trunk
from peers.realtime import snapshot
from peers.realtime.outgoing import TRUNKS_MAX
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def trunk(node: Node) -> Trunk:
    return factories.trunk(node, "203.0.113.20/32", host="sip.example.net")


@pytest.fixture
def number(trunk: Trunk) -> Number:
    return factories.number(trunk, "+442079460123", factories.peer(trunk.node))


@pytest.fixture
def peer(number: Number) -> Peer:
    return factories.peer(number.trunk.node)


def table(node: Node, name: str) -> dict[str, dict[str, str]]:
    made = render(snapshot.take(node)[0])
    return {row.id: row.as_dict() for row in made.table(name)}


def lets(node: Node, digits: str) -> bool:
    """What the dialplan's search for the longest prefix finds."""
    rows = table(node, "ddi_destinations")
    policy = OutgoingPolicy.objects.get()
    for size in range(len(digits), 0, -1):
        row = rows.get(f"{policy.key}-{digits[:size]}")
        if row:
            return row["verdict"] == "allow"
    return False


def form(node: Node, number: Number, trunk: Trunk, **over: Any) -> dict[str, Any]:
    return {
        "node": node.pk, "name": "Office", "country": "GB", "number": number.pk,
        "zones": ["GB", "FR"], "calls_max": "2", "calls_a_minute": "6", "minutes_a_day": "120",
        "longest_call": "60", "money_a_day": "12.50", "emergency_trunk": "", "emergency_more": "",
        "trunks-TOTAL_FORMS": "1", "trunks-INITIAL_FORMS": "0", "trunks-0-position": "1",
        "trunks-0-trunk": trunk.pk, "prefixes-TOTAL_FORMS": "1", "prefixes-INITIAL_FORMS": "0",
        "prefixes-0-prefix": "+44 20 7946 0", "prefixes-0-note": "",
    } | over  # fmt: skip


def test_a_phone_without_a_policy_has_no_rows(node: Node, peer: Peer) -> None:
    made = render(snapshot.take(node)[0])
    names = ("outgoing", "policies", "destinations", "emergency", "tolls", "rates")
    assert [made.table(f"ddi_{name}") for name in names] == [()] * 6


def test_a_new_policy_allows_no_country(node: Node, number: Number) -> None:
    factories.policy(number)
    assert table(node, "ddi_destinations") == {}


def test_a_policy_from_the_panel_reaches_its_rows(
    node: Node, number: Number, trunk: Trunk, peer: Peer
) -> None:
    browser = panel.client()
    answer = browser.post("/peers/outgoingpolicy/add/", form(node, number, trunk))
    assert panel.faults(answer) == ""
    policy = OutgoingPolicy.objects.get()
    Peer.objects.filter(pk=peer.pk).update(outgoing=policy)
    row = table(node, "ddi_policies")[policy.key]
    assert (row["trunks"], row["seconds"], row["money"], row["limit"], row["country"]) == (
        trunk.key, "7200", "125000", "3600", "44",
    )  # fmt: skip
    assert table(node, "ddi_outgoing")[peer.key]["number"] == "442079460123"
    assert set(table(node, "ddi_emergency")) == {f"{policy.key}-{one}" for one in ("112", "999")}
    assert len(panel.pending(node)) == 1


@pytest.mark.parametrize(
    ("digits", "allowed"),
    [
        ("442071234567", True),
        ("33123456789", True),
        ("447912345678", True),
        ("441481960194", False),  # Guernsey
        ("447781123456", False),
        ("449012345678", False),  # premium
        ("447012345678", False),  # personal numbers
        ("440901234567", False),  # a vendor might take the 0 away
        ("33899123456", False),
        ("12025550123", False),
        ("88213300", False),
        ("442079460123", False),  # refused by the prefix
    ],
)
def test_countries_premium_ranges_and_prefixes_decide(
    node: Node, number: Number, trunk: Trunk, digits: str, allowed: bool
) -> None:
    panel.client().post("/peers/outgoingpolicy/add/", form(node, number, trunk))
    assert lets(node, digits) is allowed


def body(shown: Number, by: Trunk, **over: Any) -> dict[str, Any]:
    return {
        "node": "london", "name": "Office", "country": "GB", "number": shown.pk, "zones": ["GB"],
        "trunks": [by.pk], "prefixes": [{"prefix": "+3312", "allow": True}],
    } | over  # fmt: skip


def test_a_policy_over_the_api_reaches_its_rows_and_a_peer_takes_it(
    node: Node, number: Number, trunk: Trunk, peer: Peer
) -> None:
    api = client(operator())
    made = api.post(V1 + "outgoing-policies/", body(number, trunk))
    assert (made.status_code, made.json()["trunks"]) == (201, [trunk.pk])
    policy = made.json()["id"]
    assert api.patch(f"{V1}peers/{peer.pk}/", {"outgoing": policy}).status_code == 200
    assert table(node, "ddi_outgoing")[peer.key]["policy"] == f"policy_{policy}"
    assert lets(node, "33123456789")
    assert pending(node) == 1
    assert api.delete(f"{V1}outgoing-policies/{policy}/").status_code == 409


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"zones": ["XX"]}, "zones"),
        ({"zones": ["GB", "GB"]}, "zones"),
        ({"zones": "GB"}, "zones"),
        ({"country": "XX"}, "country"),
        ({"country": "881"}, "country"),
        ({"calls_max": 0}, "calls_max"),
        ({"minutes_a_day": 0}, "minutes_a_day"),
        ({"calls_a_minute": 121}, "calls_a_minute"),
        ({"longest_call": 241}, "longest_call"),
        ({"money_a_day": "-1"}, "money_a_day"),
        ({"emergency_more": "112;999"}, "emergency_more"),
        ({"emergency_more": "+4412345"}, "emergency_more"),
        ({"prefixes": [{"prefix": "44"}]}, "prefixes.0.prefix"),
        ({"prefixes": [{"prefix": "+44\n"}]}, "prefixes.0.prefix"),
        ({"prefixes": [{"prefix": "+44"}, {"prefix": "+44"}]}, "prefixes.1.prefix"),
    ],
)
def test_what_no_policy_could_mean_is_refused_by_name(
    node: Node, number: Number, trunk: Trunk, over: dict[str, Any], field: str
) -> None:
    answer = client(operator()).post(V1 + "outgoing-policies/", body(number, trunk, **over))
    assert (answer.status_code, OutgoingPolicy.objects.count()) == (400, 0)
    assert field in faults(answer)


def test_trunks_and_numbers_of_another_node_are_refused(
    node: Node, number: Number, trunk: Trunk, peer: Peer
) -> None:
    other = factories.trunk(factories.node(), host="sip.example.org")
    there = factories.number(other, "+442079460199")
    api = client(operator())
    bad = ({"trunks": [other.pk]}, {"number": there.pk}, {"emergency_trunk": other.pk})
    for over in bad:
        answer = api.post(V1 + "outgoing-policies/", body(number, trunk, **over))
        assert answer.status_code == 400, over
    theirs = factories.policy(there)
    for over in ({"outgoing": theirs.pk}, {"caller_number": there.pk}):
        assert api.patch(f"{V1}peers/{peer.pk}/", over).status_code == 400, over


def test_a_trunk_without_a_host_can_not_carry_calls_out(node: Node, number: Number) -> None:
    mute = factories.trunk(node)
    answer = client(operator()).post(V1 + "outgoing-policies/", body(number, mute))
    assert faults(answer) == {"trunks.0": "no_host"}
    page = panel.client().post("/peers/outgoingpolicy/add/", form(node, number, mute))
    assert "has no host" in panel.faults(page)


def test_a_disabled_trunk_is_left_out_of_the_order(
    node: Node, number: Number, trunk: Trunk
) -> None:
    policy = factories.policy(number)
    other = factories.trunk(node, host="sip.example.org", enabled=False)
    for place, one in enumerate((other, trunk), start=1):
        OutgoingTrunk.objects.create(policy=policy, trunk=one, position=place)
    assert table(node, "ddi_policies")[policy.key]["trunks"] == trunk.key


def test_the_panel_takes_no_more_trunks_than_asterisk_tries(
    node: Node, number: Number, trunk: Trunk
) -> None:
    """More would be refused by each later deployment of the node, whatever it is about."""
    others = [factories.trunk(node, host=f"sip{n}.example.net") for n in range(TRUNKS_MAX)]
    wish = form(node, number, trunk) | {"trunks-TOTAL_FORMS": str(1 + TRUNKS_MAX)}
    for place, one in enumerate(others, start=1):
        wish |= {f"trunks-{place}-position": str(place + 1), f"trunks-{place}-trunk": one.pk}
    answer = panel.client().post("/peers/outgoingpolicy/add/", wish)
    assert "at most 10 trunks" in panel.faults(answer)
    assert not OutgoingPolicy.objects.exists()


def test_a_trunk_of_its_own_for_emergencies_beside_all_others_can_be_rendered(
    node: Node, number: Number, trunk: Trunk
) -> None:
    policy = factories.policy(number, emergency_trunk=trunk)
    for place in range(1, TRUNKS_MAX + 1):
        other = factories.trunk(node, host=f"sip{place}.example.net")
        OutgoingTrunk.objects.create(policy=policy, trunk=other, position=place)
    listed = table(node, "ddi_policies")[policy.key]["emergency"].split("&")
    assert (listed[0], len(listed)) == (trunk.key, TRUNKS_MAX)
