"""Every edit in the panel asks for a deployment, in its own transaction."""

import pytest
from django.test import Client

from ddiweb.deploy.models import Deployment, Node
from firewall.models import ManagementNetwork
from peers.models import Number, Peer, Trunk
from peers.realtime import snapshot
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def admin() -> Client:
    return panel.client()


def test_a_new_node_asks_for_its_first_deployment(admin: Client) -> None:
    admin.post("/deploy/node/add/", panel.node_form())
    assert [row.reason for row in panel.pending()] == ["node London added"]


def test_a_new_trunk_with_a_network_asks_for_one_deployment(admin: Client, node: Node) -> None:
    admin.post("/peers/trunk/add/", panel.trunk_form(node, (None, "203.0.113.20")))
    assert Trunk.objects.get().networks.get().cidr == "203.0.113.20/32"
    assert [(row.reason, row.edits) for row in panel.pending(node)] == [("trunk Vendor added", 1)]


def test_a_deployment_names_who_asked_for_it(admin: Client, node: Node) -> None:
    admin.post("/peers/trunk/add/", panel.trunk_form(node))
    assert str(panel.pending(node)[0].requested_by) == "root"


def test_a_new_peer_is_given_a_token_and_asks_for_one_deployment(admin: Client, node: Node) -> None:
    admin.post("/peers/peer/add/", panel.peer_form(node))
    assert Peer.objects.get().tokens.get().state == "issued"
    assert [(row.reason, row.edits) for row in panel.pending(node)] == [
        ("peer Ada mobile added", 1)
    ]


def test_a_new_peer_can_not_sign_in_before_it_was_given_a_password(
    admin: Client, node: Node
) -> None:
    admin.post("/peers/peer/add/", panel.peer_form(node))
    facts, _ = snapshot.take(node)
    assert [peer.accounts for peer in facts.peers] == [()]


def test_the_order_of_codecs_is_kept(admin: Client, node: Node) -> None:
    admin.post("/peers/peer/add/", panel.peer_form(node, codecs=["ulaw", "opus", "g722"]))
    assert Peer.objects.get().codecs == ["ulaw", "opus", "g722"]


def test_another_order_of_codecs_is_a_change(admin: Client, node: Node) -> None:
    peer = factories.peer(node, name="Ada mobile", username="ada", codecs=["opus", "alaw"])
    form = panel.peer_form(node, codecs=["alaw", "opus"])
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    assert len(panel.pending(node)) == 1


def test_saving_without_a_change_asks_for_nothing(admin: Client, node: Node) -> None:
    peer = factories.peer(node, name="Ada mobile", username="ada", codecs=["opus", "alaw"])
    reply = admin.post(f"/peers/peer/{peer.pk}/change/", panel.peer_form(node))
    assert (reply.status_code, panel.pending()) == (302, [])


def test_saving_a_trunk_with_its_networks_unchanged_asks_for_nothing(
    admin: Client, node: Node
) -> None:
    trunk = factories.trunk(node, "203.0.113.20/32", name="Vendor")
    form = panel.trunk_form(node, (trunk.networks.get().pk, "203.0.113.20"))
    reply = admin.post(f"/peers/trunk/{trunk.pk}/change/", form)
    assert (reply.status_code, panel.pending()) == (302, [])


def test_a_change_of_a_network_alone_asks_for_a_deployment(admin: Client, node: Node) -> None:
    trunk = factories.trunk(node, "203.0.113.20/32", name="Vendor")
    form = panel.trunk_form(node, (trunk.networks.get().pk, "203.0.113.21"))
    admin.post(f"/peers/trunk/{trunk.pk}/change/", form)
    assert [row.reason for row in panel.pending(node)] == ["trunk Vendor changed"]


def test_a_new_number_with_a_ring_step_asks_for_a_deployment(admin: Client, node: Node) -> None:
    trunk, peer = factories.trunk(node), factories.peer(node, username="ada")
    admin.post("/peers/number/add/", panel.number_form(trunk, panel.step([peer])))
    assert panel.route(Number.objects.get()) == [(1, "ring", ["ada"])]
    assert [row.reason for row in panel.pending(node)] == ["number +442079460123 added"]


def test_a_number_is_read_as_people_write_it(admin: Client, node: Node) -> None:
    trunk, peer = factories.trunk(node), factories.peer(node)
    form = panel.number_form(trunk, panel.step([peer]), e164="+44 (20) 7946-0123")
    admin.post("/peers/number/add/", form)
    assert Number.objects.get().e164 == "+442079460123"


def test_two_steps_can_change_places(admin: Client, node: Node) -> None:
    trunk = factories.trunk(node)
    one, two = factories.peer(node, username="one1"), factories.peer(node, username="two2")
    form = panel.number_form(trunk, panel.step([one]), panel.step([two]))
    admin.post("/peers/number/add/", form)
    number = Number.objects.get()
    first, second = number.steps.all()
    form = panel.number_form(
        trunk, panel.step([one], pk=first.pk, place=2), panel.step([two], pk=second.pk, place=1)
    )
    admin.post(f"/peers/number/{number.pk}/change/", form)
    assert panel.route(number) == [(1, "ring", ["two2"]), (2, "ring", ["one1"])]


def test_a_step_can_be_put_before_the_others_while_one_is_taken_out(
    admin: Client, node: Node
) -> None:
    trunk = factories.trunk(node)
    one, two = factories.peer(node, username="one1"), factories.peer(node, username="two2")
    number = factories.number(trunk, "+442079460123", one)
    first = number.steps.get()
    form = panel.number_form(
        trunk, panel.step([one], pk=first.pk, place=1, delete=True), panel.step([two], place=1)
    )
    admin.post(f"/peers/number/{number.pk}/change/", form)
    assert panel.route(number) == [(1, "ring", ["two2"])]


def test_a_change_of_who_rings_asks_for_a_deployment(admin: Client, node: Node) -> None:
    trunk, one, two = factories.trunk(node), factories.peer(node), factories.peer(node)
    number = factories.number(trunk, "+442079460123", one, label="London")
    first = number.steps.get()
    form = panel.number_form(trunk, panel.step([one, two], pk=first.pk, place=1))
    admin.post(f"/peers/number/{number.pk}/change/", form)
    assert len(panel.pending(node)) == 1


def test_twenty_edits_make_one_pending_deployment(admin: Client, node: Node) -> None:
    peer = factories.peer(node, username="ada")
    for count in range(20):
        form = panel.peer_form(node, name=f"Ada {count}")
        admin.post(f"/peers/peer/{peer.pk}/change/", form)
    assert [(row.edits, row.generation) for row in Deployment.objects.all()] == [(20, 20)]


def test_an_edit_and_its_deployment_exist_together_or_not_at_all(
    admin: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the power went out")

    monkeypatch.setattr("ddiweb.admin_base.request_deployment", broken)
    with pytest.raises(RuntimeError):
        admin.post("/peers/trunk/add/", panel.trunk_form(node))
    assert not Trunk.objects.exists()


def test_deleting_a_trunk_asks_for_a_deployment(admin: Client, node: Node) -> None:
    trunk = factories.trunk(node, name="Vendor")
    admin.post(f"/peers/trunk/{trunk.pk}/delete/", {"post": "yes"})
    assert [row.reason for row in panel.pending(node)] == ["trunk Vendor deleted"]


def test_deleting_many_asks_for_one_deployment_a_node(admin: Client, node: Node) -> None:
    other = factories.node()
    rows = [factories.management(node, f"198.51.100.{n}/32") for n in range(4)]
    rows.append(factories.management(other, "198.51.100.0/28"))
    admin.post(
        "/firewall/managementnetwork/",
        {"action": "delete_selected", "post": "yes", "_selected_action": [r.pk for r in rows]},
    )
    assert not ManagementNetwork.objects.exists()
    assert [(row.node_id, row.edits) for row in Deployment.objects.order_by("node_id")] == [
        (node.pk, 1), (other.pk, 1),
    ]  # fmt: skip


def test_deleting_many_fails_as_a_whole(
    admin: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [factories.management(node, f"198.51.100.{n}/32") for n in range(3)]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the power went out")

    monkeypatch.setattr("ddiweb.admin_base.request_deployment", broken)
    with pytest.raises(RuntimeError):
        admin.post(
            "/firewall/managementnetwork/",
            {"action": "delete_selected", "post": "yes", "_selected_action": [r.pk for r in rows]},
        )
    assert ManagementNetwork.objects.count() == 3


def test_deleting_a_peer_revokes_its_tokens_at_once(admin: Client, node: Node) -> None:
    admin.post("/peers/peer/add/", panel.peer_form(node))
    peer = Peer.objects.get()
    panel.settle()
    admin.post(f"/peers/peer/{peer.pk}/delete/", {"post": "yes"})
    assert node.tokens.get().state == "revoked"
    assert [row.urgent for row in panel.pending(node)] == [True]


def test_a_node_without_peers_and_trunks_can_be_deleted(admin: Client, node: Node) -> None:
    panel.settle()
    admin.post(f"/deploy/node/{node.pk}/again/")
    admin.post(f"/deploy/node/{node.pk}/delete/", {"post": "yes"})
    assert not Node.objects.exists()
