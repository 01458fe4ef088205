"""Whom a ban may not touch, what it leaves behind, and how the kernel is kept to the rows."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from ddiweb import clock
from ddiweb.deploy.models import Deployment, Node
from ddiweb.live.models import Contact
from firewall import bans, snapshot
from firewall.ban_models import Ban
from firewall.channel import AgentChannel
from firewall.models import AddressException
from tests import factories
from tests.db.panel import pending, person, settle

pytestmark = [pytest.mark.db, pytest.mark.django_db]
STRANGER = "198.51.100.66"


@pytest.fixture
def node() -> Node:
    made = factories.node(public_ipv4="203.0.113.10", public_ipv6="2001:db8:113::10")
    factories.management(made, "192.0.2.0/28")
    factories.trunk(made, "203.0.113.20/32", "2001:db8:20::/48")
    AddressException.objects.create(node=made, cidr="198.51.100.200/32")
    settle()
    return made


def ban(node: Node, cidr: str = STRANGER, seconds: int | None = 600, **more: Any) -> Ban:
    return bans.ban(node, cidr, "by_hand", seconds, **more)


def refused(node: Node, cidr: str, seconds: int | None = 600, **more: Any) -> tuple[set[str], str]:
    """The codes and the words of a refusal; nothing was stored."""
    with pytest.raises(ValidationError) as caught:
        ban(node, cidr, seconds, **more)
    assert not Ban.objects.filter(cidr__startswith=cidr.partition("/")[0]).exists()
    errors = [one for faults in caught.value.error_dict.values() for one in faults]
    return {str(one.code) for one in errors}, " ".join(caught.value.messages)


def contact(node: Node, address: str, name: str = "Ada", **fields: Any) -> Contact:
    peer = factories.peer(node, name=name)
    values = {"uri": f"sip:{name}@x", "address": address, "seen_at": timezone.now()} | fields
    return Contact.objects.create(node=node, endpoint=peer.key, **values)


@pytest.mark.parametrize(
    ("cidr", "what"),
    [
        ("192.0.2.7", "a management network (192.0.2.0/28)"),
        ("192.0.2.0/24", "a management network (192.0.2.0/28)"),
        ("203.0.113.20", "a vendor (203.0.113.20/32)"),
        ("2001:db8:20:1::/64", "a vendor (2001:db8:20::/48)"),
        ("198.51.100.200", "an exception (198.51.100.200/32)"),
        ("203.0.113.10", "the node itself (203.0.113.10/32)"),
        ("2001:db8:113::10", "the node itself (2001:db8:113::10/128)"),
    ],
)
def test_a_ban_of_whom_it_must_not_touch_is_refused(node: Node, cidr: str, what: str) -> None:
    codes, words = refused(node, cidr)
    assert codes == {"guarded"}
    assert what in words
    assert "ban something narrower" in words


@pytest.mark.parametrize("own", ["198.51.100.66", "2001:db8:7::1"])
def test_nobody_bans_himself(node: Node, own: str) -> None:
    wide = "198.51.100.64/26" if "." in own else "2001:db8:7::/48"
    codes, words = refused(node, wide, own_address=own)
    assert codes == {"own_address"}
    assert "where you sit" in words


@pytest.mark.parametrize(
    ("address", "cidr"),
    [(f"{STRANGER}:5060", STRANGER), ("[2001:db8:7::1]:5060", "2001:db8:7::/64")],
)
def test_an_address_with_a_phone_online_is_not_banned(node: Node, address: str, cidr: str) -> None:
    contact(node, address)
    codes, words = refused(node, cidr)
    assert codes == {"phone_online"}
    assert "“Ada”" in words


def test_a_node_may_allow_bans_of_addresses_with_a_phone_online(node: Node) -> None:
    contact(node, f"{STRANGER}:5060")
    Node.objects.update(ban_online=True)
    assert ban(node).active


def test_a_phone_that_has_gone_protects_nobody(node: Node) -> None:
    contact(node, f"{STRANGER}:5060", expires_at=clock.now() - timedelta(seconds=1))
    assert ban(node).active


@pytest.mark.parametrize(
    ("cidr", "fits"), [("198.18.0.0/23", False), ("2001:db8:8000::/33", False)]
)
def test_a_timed_ban_is_narrow_and_one_for_good_may_be_wider(
    node: Node, cidr: str, fits: bool
) -> None:
    assert refused(node, cidr)[0] == {"too_wide"}
    assert ban(node, cidr, None).until is None


@pytest.mark.parametrize("seconds", [0, -1, 31 * 86_400 + 1])
def test_a_timed_ban_lasts_from_a_second_to_31_days(node: Node, seconds: int) -> None:
    with pytest.raises(ValidationError, match="31 days"):
        ban(node, seconds=seconds)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "010.1.1.1", "127.0.0.1", "x", "1.2.3.4\n", ""])
def test_what_is_no_network_is_refused(node: Node, cidr: str) -> None:
    with pytest.raises(ValidationError):
        ban(node, cidr)
    assert not Ban.objects.exists()


@pytest.mark.parametrize("wider", [STRANGER, "198.51.100.64/28"])
def test_what_is_banned_already_is_not_banned_twice(node: Node, wider: str) -> None:
    ban(node, wider)
    with pytest.raises(ValidationError, match="is banned already"):
        ban(node)


def test_a_lifted_ban_can_be_made_anew_and_both_reasons_are_kept(node: Node) -> None:
    first = bans.ban(node, STRANGER, "abuse", 600, note="report 7")
    bans.lift([first], person("ops"))
    ban(node)
    first.refresh_from_db()
    assert (first.active, first.note, str(first.lifted_by)) == (False, "report 7", "ops")
    assert [row.reason for row in Ban.objects.order_by("pk")] == ["abuse", "by_hand"]


def test_a_timed_ban_asks_for_no_deployment(node: Node) -> None:
    bans.lift([ban(node)])
    assert pending(node) == []


def test_a_ban_for_good_is_part_of_the_intent_until_it_is_lifted(node: Node) -> None:
    row = ban(node, seconds=None)
    assert snapshot.take(node).bans == (f"{STRANGER}/32",)
    assert [one.urgent for one in pending(node)] == [True]
    Deployment.objects.all().delete()
    bans.lift([row])
    assert (snapshot.take(node).bans, len(pending(node))) == ((), 1)


def test_a_timed_ban_is_no_part_of_the_intent(node: Node) -> None:
    ban(node)
    assert snapshot.take(node).bans == ()


def test_lifting_twice_counts_once(node: Node) -> None:
    row = ban(node)
    assert (bans.lift([row]), bans.lift([row])) == (1, 0)


class Kernel(AgentChannel):
    """An agent's jail in memory; refuses what it is told to guard."""

    def __init__(self, held: dict[str, int] | None = None, guard: str = "") -> None:
        super().__init__("/nowhere")
        self.held = dict(held or {})
        self.guard = guard

    def jail(self, seconds: Any) -> dict[str, str]:
        taken = {net: left for net, left in seconds.items() if net != self.guard}
        self.held |= taken
        return {net: "it holds a vendor" for net in seconds if net not in taken}

    def unjail(self, networks: Any) -> None:
        for net in networks:
            del self.held[net]

    def jailed(self) -> dict[str, int]:
        return dict(self.held)


def test_what_a_restart_lost_is_put_back_with_what_is_left(node: Node) -> None:
    row = ban(node)
    Ban.objects.filter(pk=row.pk).update(until=clock.now() + timedelta(seconds=100))
    kernel = Kernel()
    assert bans.bring(node, kernel) == (1, 0)
    assert 98 <= kernel.held[f"{STRANGER}/32"] <= 100


def test_what_was_lifted_while_the_agent_was_away_is_taken_out(node: Node) -> None:
    row = ban(node)
    bans.lift([row])
    kernel = Kernel({row.cidr: 500})
    assert (bans.bring(node, kernel), kernel.held) == ((0, 1), {})


def test_what_no_row_knows_is_taken_out(node: Node) -> None:
    kernel = Kernel({"198.51.100.9/32": 500})
    assert (bans.bring(node, kernel), kernel.held) == ((0, 1), {})


def test_a_clock_set_forward_frees_nobody(node: Node) -> None:
    row = ban(node)
    Ban.objects.filter(pk=row.pk).update(until=clock.now() - timedelta(days=1))
    kernel = Kernel({row.cidr: 500})
    assert (bans.bring(node, kernel), kernel.held) == ((0, 0), {row.cidr: 500})


def test_what_the_kernel_counts_down_is_not_told_again(node: Node) -> None:
    ban(node)
    kernel = Kernel({f"{STRANGER}/32": 590})
    assert bans.bring(node, kernel) == (0, 0)


def test_what_the_agent_would_not_ban_says_why_and_is_forgiven_later(node: Node) -> None:
    row = ban(node)
    kernel = Kernel(guard=row.cidr)
    bans.bring(node, kernel)
    row.refresh_from_db()
    refusal, kernel.guard = row.refused, ""
    bans.bring(node, kernel)
    row.refresh_from_db()
    assert (refusal, row.refused) == ("it holds a vendor", "")


def test_one_that_the_agent_refuses_keeps_no_other_out_of_the_kernel(node: Node) -> None:
    first, second = ban(node), ban(node, "198.51.100.67")
    kernel = Kernel(guard=first.cidr)
    bans.bring(node, kernel)
    assert list(kernel.held) == [second.cidr]


def test_only_the_oldest_of_very_many_ended_bans_are_forgotten(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bans, "MOST_KEPT", 2)
    rows = [ban(node, f"198.51.100.{n}") for n in range(1, 6)]
    bans.lift(rows[:4])
    assert bans.purge() == 2
    assert list(Ban.objects.order_by("pk")) == rows[2:]


def test_the_ban_of_an_ipv6_address_is_its_64() -> None:
    assert bans.place_of("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert bans.place_of("198.51.100.7") == "198.51.100.7/32"
