"""What the panel refuses, and what it only warns of."""

from typing import Any

import pytest
from django.test import Client

from ddiweb.deploy.models import Node
from peers.models import Number, Peer, Trunk
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def admin() -> Client:
    return panel.client()


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("203.0.113.20/32", "203.0.113.20"),
        ("203.0.113.0/24", "203.0.113.20"),
        ("203.0.113.20/32", "203.0.113.0/24"),
        ("2001:db8:113::/48", "2001:db8:113::20"),
    ],
)
def test_a_network_of_another_trunk_is_refused(
    admin: Client, node: Node, theirs: str, ours: str
) -> None:
    factories.trunk(node, theirs, name="First vendor")
    text = panel.faults(admin.post("/peers/trunk/add/", panel.trunk_form(node, (None, ours))))
    assert f"overlaps {theirs} of the trunk “First vendor”" in text
    assert "exactly one trunk" in text
    assert Trunk.objects.count() == 1


def test_the_same_network_on_another_node_is_accepted(admin: Client, node: Node) -> None:
    factories.trunk(factories.node(), "203.0.113.20/32")
    form = panel.trunk_form(node, (None, "203.0.113.20"))
    assert panel.faults(admin.post("/peers/trunk/add/", form)) == ""


def test_a_trunk_keeps_its_own_networks_when_it_is_saved(admin: Client, node: Node) -> None:
    trunk = factories.trunk(node, "203.0.113.20/32", name="Vendor")
    form = panel.trunk_form(node, (trunk.networks.get().pk, "203.0.113.0/24"))
    assert panel.faults(admin.post(f"/peers/trunk/{trunk.pk}/change/", form)) == ""


def test_a_network_that_is_taken_out_does_not_count(admin: Client, node: Node) -> None:
    factories.trunk(node, "203.0.113.20/32")
    trunk = factories.trunk(node, "203.0.113.99/32", name="Vendor")
    form = panel.trunk_form(node, (trunk.networks.get().pk, "203.0.113.20"))
    form["networks-0-DELETE"] = "on"
    assert panel.faults(admin.post(f"/peers/trunk/{trunk.pk}/change/", form)) == ""


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/7", "::/0", "010.1.1.1", "127.0.0.1"])
def test_a_network_that_opens_the_door_is_refused(admin: Client, node: Node, cidr: str) -> None:
    form = panel.trunk_form(node, (None, cidr))
    assert "cidr" in panel.faults(admin.post("/peers/trunk/add/", form))


def test_a_trunk_over_a_management_network_is_a_warning(admin: Client, node: Node) -> None:
    factories.management(node, "203.0.113.0/28")
    form = panel.trunk_form(node, (None, "203.0.113.0/24"))
    reply = admin.post("/peers/trunk/add/", form, follow=True)
    assert "overlaps the management network 203.0.113.0/28" in said(reply)
    assert Trunk.objects.exists()


def test_a_management_network_over_a_trunk_is_a_warning(admin: Client, node: Node) -> None:
    factories.trunk(node, "203.0.113.0/28", name="Vendor")
    form = {"node": node.pk, "cidr": "203.0.113.1", "note": ""}
    reply = admin.post("/firewall/managementnetwork/add/", form, follow=True)
    assert "of the trunk “Vendor”" in said(reply)


def test_a_trunk_without_networks_is_a_warning(admin: Client, node: Node) -> None:
    reply = admin.post("/peers/trunk/add/", panel.trunk_form(node), follow=True)
    assert "no networks" in said(reply)


def test_to_register_a_host_a_username_and_a_password_are_needed(admin: Client, node: Node) -> None:
    form = panel.trunk_form(node, register="on")
    errors = admin.post("/peers/trunk/add/", form).context["adminform"].form.errors
    assert set(errors) >= {"host", "username", "password"}


def test_a_number_without_a_step_is_refused(admin: Client, node: Node) -> None:
    form = panel.number_form(factories.trunk(node))
    assert "at least one step" in panel.faults(admin.post("/peers/number/add/", form))


def test_a_number_that_is_switched_off_needs_no_step(admin: Client, node: Node) -> None:
    form = panel.number_form(factories.trunk(node))
    del form["enabled"]
    assert panel.faults(admin.post("/peers/number/add/", form)) == ""


def test_a_ring_step_without_peers_is_refused(admin: Client, node: Node) -> None:
    form = panel.number_form(factories.trunk(node), panel.step(place=1))
    assert "Step 1 rings nobody" in panel.faults(admin.post("/peers/number/add/", form))


def test_a_step_after_a_rejection_is_refused(admin: Client, node: Node) -> None:
    peer = factories.peer(node)
    form = panel.number_form(factories.trunk(node), panel.step(kind="reject"), panel.step([peer]))
    assert "never reached" in panel.faults(admin.post("/peers/number/add/", form))


def test_a_peer_of_another_node_is_refused_for_a_new_number(admin: Client, node: Node) -> None:
    stranger = factories.peer(factories.node(name="Oslo"), name="Bob")
    form = panel.number_form(factories.trunk(node), panel.step([stranger]))
    assert "is on the node “Oslo”" in panel.faults(admin.post("/peers/number/add/", form))


def test_a_peer_of_another_node_is_not_offered_for_an_existing_number(
    admin: Client, node: Node
) -> None:
    ours, stranger = factories.peer(node), factories.peer(factories.node(), name="Stranger")
    number = factories.number(factories.trunk(node), "+442079460123", ours)
    page = admin.get(f"/peers/number/{number.pk}/change/").content.decode()
    assert ours.name in page
    assert stranger.name not in page


@pytest.mark.parametrize("kind", ["peer", "trunk"])
def test_nothing_moves_to_another_node(admin: Client, node: Node, kind: str) -> None:
    other = factories.node()
    if kind == "peer":
        row: Peer | Trunk = factories.peer(node)
        form = panel.peer_form(other)
    else:
        row = factories.trunk(node)
        form = panel.trunk_form(other)
    admin.post(f"/peers/{kind}/{row.pk}/change/", form)
    row.refresh_from_db()
    assert row.node == node


def test_a_number_can_not_go_to_a_trunk_of_another_node(admin: Client, node: Node) -> None:
    peer = factories.peer(node)
    number = factories.number(factories.trunk(node), "+442079460123", peer)
    away = factories.trunk(factories.node())
    form = panel.number_form(away, panel.step([peer], pk=number.steps.get().pk, place=1))
    assert "trunk" in panel.faults(admin.post(f"/peers/number/{number.pk}/change/", form))


@pytest.mark.parametrize("field", ["slug", "realm"])
def test_the_name_and_realm_of_a_node_stay_as_they_were(
    admin: Client, node: Node, field: str
) -> None:
    before = getattr(node, field)
    admin.post(f"/deploy/node/{node.pk}/change/", panel.node_form(slug="other", realm="other"))
    node.refresh_from_db()
    assert getattr(node, field) == before


def test_a_peer_can_not_take_a_trunks_username(admin: Client, node: Node) -> None:
    factories.trunk(node, username="shared", name="Vendor")
    text = panel.faults(admin.post("/peers/peer/add/", panel.peer_form(node, username="shared")))
    assert "the trunk “Vendor”" in text


def test_a_trunk_can_not_take_a_peers_username(admin: Client, node: Node) -> None:
    factories.peer(node, username="shared", name="Ada")
    text = panel.faults(admin.post("/peers/trunk/add/", panel.trunk_form(node, username="shared")))
    assert "the peer “Ada”" in text


def test_the_last_peer_of_a_step_can_not_be_deleted(admin: Client, node: Node) -> None:
    peer = factories.peer(node)
    factories.number(factories.trunk(node), "+442079460123", peer)
    reply = admin.post(f"/peers/peer/{peer.pk}/delete/", {"post": "yes"})
    assert "Change its route first" in reply.content.decode()
    assert Peer.objects.exists()


def test_a_peer_that_does_not_ring_alone_can_be_deleted(admin: Client, node: Node) -> None:
    one, two = factories.peer(node), factories.peer(node)
    number = factories.number(factories.trunk(node), "+442079460123", one, two)
    admin.post(f"/peers/peer/{one.pk}/delete/", {"post": "yes"})
    assert panel.route(number) == [(1, "ring", [two.username])]


def test_a_sip_port_within_the_audio_ports_is_refused(admin: Client) -> None:
    text = panel.faults(admin.post("/deploy/node/add/", panel.node_form(sip_port="15000")))
    assert "outside the RTP range" in text


def test_a_number_that_is_not_e164_is_refused_with_the_remedy(admin: Client, node: Node) -> None:
    form = panel.number_form(factories.trunk(node), e164="02079460123")
    assert "such as +442079460123" in panel.faults(admin.post("/peers/number/add/", form))
    assert not Number.objects.exists()
