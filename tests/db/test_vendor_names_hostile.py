"""Answers of a name server that means no good, and edits that cross a lookup."""

import threading

import pytest

from peers import dns, vendor_lookups
from peers.models import Trunk, TrunkAddress, TrunkHost, TrunkNetwork
from tests import factories
from tests.db.vendor_names import NAME, World, name_server, world

pytestmark = [pytest.mark.db, pytest.mark.django_db]
__all__ = ["name_server", "world"]

UNUSABLE = (
    "127.0.0.1", "0.1.2.3", "169.254.169.254", "224.0.0.5", "255.255.255.255", "10.0.0.1",
    "192.168.0.1", "100.64.0.1", "::1", "fe80::1", "ff02::1", "fd00::1", "::ffff:203.0.113.20",
    "64:ff9b::cb00:7114", "::",
)  # fmt: skip


@pytest.mark.parametrize("address", UNUSABLE)
def test_an_answer_with_an_unusable_address_alone_is_a_failed_one(
    world: World, address: str
) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.reasons()
    world.server.says(NAME, address)
    world.look()
    world.look()
    assert world.let_in() == ["203.0.113.20"]
    assert world.reasons() == []
    assert "no usable address" in world.fresh().last_error
    assert TrunkAddress.objects.get().gone_since is None


@pytest.mark.parametrize("address", UNUSABLE)
def test_an_unusable_address_among_others_is_shown_and_not_let_in(
    world: World, address: str
) -> None:
    world.server.says(NAME, "203.0.113.20", address)
    world.look()
    assert world.let_in() == ["203.0.113.20"]
    assert TrunkAddress.objects.count() == 2


def test_private_addresses_are_let_in_where_the_trunk_says_so(world: World) -> None:
    Trunk.objects.update(private_allowed=True)
    world.server.says(NAME, "10.1.2.3")
    world.look()
    assert world.let_in() == ["10.1.2.3"]


def test_more_addresses_than_the_limit_are_a_failed_answer(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.server.says(NAME, *[f"198.51.100.{n}" for n in range(1, 66)])
    world.look()
    assert world.let_in() == ["203.0.113.20"]
    assert "65 addresses; at most 64" in world.fresh().last_error


def test_sixty_four_addresses_are_let_in(world: World) -> None:
    world.server.says(NAME, *[f"198.51.100.{n}" for n in range(1, 65)])
    world.look()
    assert len(world.let_in()) == 64


def test_a_name_that_leads_elsewhere_every_minute_fills_no_ruleset(world: World) -> None:
    for turn in range(8):
        world.server.says(NAME, *[f"198.51.{turn}.{n}" for n in range(1, 41)])
        world.look()
    assert len(world.let_in()) == 64
    assert TrunkAddress.objects.count() == 64


def test_an_address_in_another_trunks_network_is_noted_and_not_let_in(world: World) -> None:
    other = factories.trunk(world.node, "203.0.113.0/24")
    world.server.says(NAME, "203.0.113.20", "198.51.100.20")
    world.look()
    assert world.let_in() == ["198.51.100.20", "203.0.113.0/24"]
    assert world.reasons() == [f"vendor London, {NAME}: added 198.51.100.20"]
    TrunkNetwork.objects.filter(trunk=other).delete()
    assert world.let_in() == ["198.51.100.20", "203.0.113.20"]


def test_a_trunk_of_another_node_is_in_nobodys_way(world: World) -> None:
    factories.trunk(factories.node(), "203.0.113.0/24")
    world.server.says(NAME, "203.0.113.20")
    world.look()
    assert world.let_in() == ["203.0.113.20"]


def test_a_name_can_not_take_the_address_of_another_trunks_name(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.reasons()
    thief = factories.trunk(world.node, name="Thief")
    factories.host(thief, "thief.example")
    world.server.says("thief.example", "203.0.113.20")
    assert world.look() == 0
    assert world.let_in() == ["203.0.113.20"]


def test_a_trunk_that_is_off_holds_no_address(world: World) -> None:
    other = factories.trunk(world.node, name="Off")
    factories.host(other, "off.example")
    world.server.says("off.example", "203.0.113.20")
    world.look()
    Trunk.objects.filter(pk=other.pk).update(enabled=False)
    world.server.says(NAME, "203.0.113.20")
    world.look()
    assert world.let_in() == ["203.0.113.20"]


def test_the_nodes_own_address_is_not_let_in(world: World) -> None:
    world.server.says(NAME, "203.0.113.20", str(world.node.public_ipv4))
    world.look()
    assert world.let_in() == ["203.0.113.20"]


def test_a_server_with_an_odd_name_is_not_asked_and_not_shown(world: World) -> None:
    host = factories.host(world.trunk, "vendor.example", kind="srv")
    world.server.serves("vendor.example", r"1 1 5060 a\010b<x>.example.", "1 1 5060 ok.example.")
    world.server.says("ok.example", "203.0.113.20")
    world.look()
    host.refresh_from_db()
    assert world.let_in() == ["203.0.113.20"]
    assert host.last_error == "vendor.example: names a server with odd characters"


def test_a_domain_with_many_servers_is_looked_at_in_part(world: World) -> None:
    host = factories.host(world.trunk, "vendor.example", kind="srv")
    world.server.serves("vendor.example", *[f"{n} 1 5060 s{n:02}.example." for n in range(40)])
    for number in range(40):
        world.server.says(f"s{number:02}.example", f"198.51.100.{number + 1}")
    world.look()
    host.refresh_from_db()
    assert "names 40 servers; 16 are looked at" in host.last_error
    assert len(world.let_in()) == dns.MOST_TARGETS


def test_a_server_without_an_address_adds_nothing(world: World) -> None:
    world.server.zone[NAME, "A"] = []
    world.server.serves("vendor.example", f"1 1 5060 {NAME}.")
    factories.host(world.trunk, "vendor.example", kind="srv")
    world.look()
    assert world.let_in() == []


def test_a_name_server_that_is_silent_ends_in_time(world: World) -> None:
    answers: list[dns.Answer] = []
    world.server.fails(NAME, "silent")
    thread = threading.Thread(
        target=lambda: answers.append(dns.look_up(NAME, servers=[world.server.address]))
    )
    thread.start()
    thread.join(timeout=3)
    assert answers == [dns.Answer(problem=f"{NAME}: the name servers did not answer in time")]


@pytest.mark.parametrize("server", ["name", "127.0.0.1:x", "127.0.0.1:99999", "[::1]", "-"])
def test_a_bad_setting_of_the_name_servers_is_said(world: World, server: str) -> None:
    answer = dns.look_up(NAME, servers=[server])
    assert answer.found == ()
    assert answer.problem


def test_an_answer_to_a_name_that_was_edited_meanwhile_is_dropped(world: World) -> None:
    (due,) = vendor_lookups.claim(world.now)
    TrunkHost.objects.update(name="other.example")
    answer = dns.Answer((dns.Found("203.0.113.20"),), 60)
    assert not vendor_lookups.store(due, answer, world.now)
    assert not TrunkAddress.objects.exists()


def test_an_answer_to_a_name_that_was_deleted_meanwhile_is_dropped(world: World) -> None:
    (due,) = vendor_lookups.claim(world.now)
    TrunkHost.objects.all().delete()
    answer = dns.Answer((dns.Found("203.0.113.20"),), 60)
    assert not vendor_lookups.store(due, answer, world.now)


def test_an_answer_that_comes_after_a_later_one_is_dropped(world: World) -> None:
    (slow,) = vendor_lookups.claim(world.now)
    world.server.says(NAME, "203.0.113.21")
    world.look()
    assert not vendor_lookups.store(slow, dns.Answer((dns.Found("203.0.113.20"),), 60), world.now)
    assert world.let_in() == ["203.0.113.21"]
