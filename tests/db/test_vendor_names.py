"""Vendors by name, against a real name server: changes, failures, graces, clocks, servers."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from ddiweb.deploy.models import Node
from firewall import snapshot as firewall_snapshot
from firewall.ruleset.types import MAX_NETWORKS
from peers import vendor_lookups, vendor_names
from peers.models import TrunkAddress, TrunkHost
from peers.realtime import snapshot as realtime_snapshot
from peers.realtime.render import render
from tests import factories
from tests.db.vendor_names import NAME, World, name_server, world

pytestmark = [pytest.mark.db, pytest.mark.django_db]
__all__ = ["name_server", "world"]

FAULTS = ("nxdomain", "servfail", "refused", "silent", "garbage", "empty")


def test_both_targets_let_in_what_the_name_leads_to(world: World) -> None:
    factories.trunk(world.node, "198.51.100.0/24")
    world.server.says(NAME, "203.0.113.20", "203.0.113.21", "2001:db8:113::20")
    world.look()
    assert world.let_in() == [
        "198.51.100.0/24", "2001:db8:113::20", "203.0.113.20", "203.0.113.21",
    ]  # fmt: skip


def test_a_new_address_asks_for_one_deployment_that_names_vendor_host_and_address(
    world: World,
) -> None:
    world.server.says(NAME, "203.0.113.20")
    assert world.look() == 1
    assert world.reasons() == [f"vendor London, {NAME}: added 203.0.113.20"]


def test_the_same_answer_again_asks_for_nothing(world: World) -> None:
    world.server.says(NAME, "203.0.113.20", "203.0.113.21")
    world.look()
    world.reasons()
    before = Node.objects.get(pk=world.node.pk).generation
    world.server.says(NAME, "203.0.113.21", "203.0.113.20")
    world.live(2)
    assert world.reasons() == []
    assert Node.objects.get(pk=world.node.pk).generation == before


def test_an_address_that_moves_is_added_at_once_and_removed_after_its_grace(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.reasons()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    assert world.let_in() == ["203.0.113.20", "203.0.113.21"]
    assert world.reasons() == [f"vendor London, {NAME}: added 203.0.113.21"]
    world.live(71.5)
    assert world.let_in() == ["203.0.113.20", "203.0.113.21"]
    assert world.reasons() == []
    world.live(1)
    assert world.let_in() == ["203.0.113.21"]
    assert world.reasons() == [f"vendor London, {NAME}: removed 203.0.113.20"]


def test_the_grace_is_a_setting(world: World, settings: object) -> None:
    settings.DNS_GRACE_HOURS = 2  # type: ignore[attr-defined]
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    world.live(2)
    assert world.let_in() == ["203.0.113.21"]


def test_an_address_that_returns_in_its_grace_stays_and_asks_for_nothing(world: World) -> None:
    world.server.says(NAME, "203.0.113.20", "203.0.113.21")
    world.look()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    world.reasons()
    world.server.says(NAME, "203.0.113.20", "203.0.113.21")
    world.look()
    assert not TrunkAddress.objects.filter(gone_since__isnull=False).exists()
    world.live(80)
    assert world.let_in() == ["203.0.113.20", "203.0.113.21"]
    assert world.reasons() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_lookup_changes_nothing_but_the_note(world: World, fault: str) -> None:
    world.server.says(NAME, "203.0.113.20", "2001:db8:113::20")
    world.look()
    world.reasons()
    rows = list(TrunkAddress.objects.values())
    failed_at = world.now = world.now + timedelta(minutes=1)
    world.server.fails(NAME, fault)
    assert world.look() == 0
    world.now += timedelta(minutes=1)
    world.look()
    assert list(TrunkAddress.objects.values()) == rows
    assert world.reasons() == []
    assert world.fresh().last_error.startswith(NAME)
    assert world.fresh().failing_since == failed_at


def test_a_name_that_fails_for_longer_than_its_grace_keeps_its_addresses(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.reasons()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    world.reasons()
    world.server.fails(NAME, "servfail")
    world.live(100)
    assert world.let_in() == ["203.0.113.20", "203.0.113.21"]
    assert world.reasons() == []


def test_the_note_goes_when_the_name_is_answered_again(world: World) -> None:
    world.server.fails(NAME, "servfail")
    world.look()
    world.server.says(NAME, "203.0.113.20")
    world.look()
    assert (world.fresh().last_error, world.fresh().failing_since) == ("", None)


def test_one_family_that_fails_takes_nothing_away(world: World) -> None:
    world.server.says(NAME, "203.0.113.20", "2001:db8:113::20")
    world.look()
    world.server.says(NAME, "203.0.113.21", "2001:db8:113::21")
    world.server.fails(NAME, "servfail", "AAAA")
    world.look()
    assert world.let_in() == ["2001:db8:113::20", "203.0.113.20", "203.0.113.21"]
    assert not TrunkAddress.objects.filter(gone_since__isnull=False).exists()
    assert "could not answer" in world.fresh().last_error


def test_servers_are_found_with_their_ports(world: World) -> None:
    factories.host(world.trunk, "vendor.example", kind="srv")
    TrunkHost.objects.filter(name=NAME).delete()
    world.server.serves(
        "vendor.example", "10 60 5060 a.vendor.example.", "10 40 5080 a.vendor.example.",
        "20 0 5070 b.vendor.example.",
    )  # fmt: skip
    world.server.says("a.vendor.example", "203.0.113.20")
    world.server.says("b.vendor.example", "203.0.113.21", "2001:db8:113::21")
    world.look()
    assert dict(TrunkAddress.objects.values_list("address", "via")) == {
        "203.0.113.20": "a.vendor.example:5060, a.vendor.example:5080",
        "203.0.113.21": "b.vendor.example:5070",
        "2001:db8:113::21": "b.vendor.example:5070",
    }
    assert world.let_in() == ["2001:db8:113::21", "203.0.113.20", "203.0.113.21"]


def test_a_server_that_fails_keeps_its_addresses(world: World) -> None:
    factories.host(world.trunk, "vendor.example", kind="srv")
    world.server.serves("vendor.example", "1 1 5060 a.example.", "1 1 5060 b.example.")
    world.server.says(NAME, "203.0.113.9")
    world.server.says("a.example", "203.0.113.20")
    world.server.says("b.example", "203.0.113.21")
    world.look()
    world.server.fails("b.example", "servfail")
    world.live(100)
    assert world.let_in() == ["203.0.113.20", "203.0.113.21", "203.0.113.9"]


def test_a_domain_that_takes_its_service_away_empties_nothing(world: World) -> None:
    host = factories.host(world.trunk, "vendor.example", kind="srv")
    world.server.serves("vendor.example", "1 1 5060 a.example.")
    world.server.says("a.example", "203.0.113.20")
    world.look()
    world.server.serves("vendor.example", "0 0 0 .")
    world.look()
    assert world.let_in() == ["203.0.113.20"]
    host.refresh_from_db()
    assert "no SIP service over UDP" in host.last_error


def test_a_gone_address_without_an_end_is_refused_by_the_database(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    with pytest.raises(IntegrityError), transaction.atomic():
        TrunkAddress.objects.update(gone_since=world.now)


def test_names_may_fill_a_ruleset_and_not_more() -> None:
    assert vendor_names.MOST_NETWORKS == MAX_NETWORKS


def test_no_name_stands_in_rows_or_rules(world: World) -> None:
    host = factories.host(world.trunk, "vendor.example", kind="srv", note="a note of example")
    world.server.serves(host.name, "1 1 5060 a.vendor.example.")
    world.server.says("a.vendor.example", "203.0.113.20")
    world.server.says(NAME, "203.0.113.21")
    world.look()
    facts, _ = realtime_snapshot.take(world.node)
    rows = str([row.as_dict() for row in render(facts).rows])
    rules = str(firewall_snapshot.take(world.node).to_json())
    assert "203.0.113.20/32,203.0.113.21/32" in rows
    assert "example" not in rows
    assert "example" not in rules


def test_one_name_that_is_deleted_while_it_is_looked_up_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.host(world.trunk, "b.example")
    world.server.says(NAME, "203.0.113.20")
    world.server.says("b.example", "203.0.113.21")
    store, first = vendor_lookups.store, []

    def crossed(due: vendor_lookups.Due, *rest: object) -> bool:
        if not first:
            first.append(due)
            raise IntegrityError
        return bool(store(due, *rest))  # type: ignore[arg-type]

    monkeypatch.setattr(vendor_lookups, "store", crossed)
    assert world.look() == 1
