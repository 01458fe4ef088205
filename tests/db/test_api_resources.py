"""Each object can be added, read, changed and deleted, and each write asks for a deployment."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from ddiweb.deploy.models import Deployment, Node
from firewall.models import ManagementNetwork
from peers.models import Number, Peer, Trunk
from tests import factories
from tests.db.api import V1, client, faults, generation, operator, pending, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def api() -> APIClient:
    return client(operator())


def test_a_node_lives_from_post_to_delete(api: APIClient) -> None:
    made = api.post(V1 + "nodes/", {"slug": "paris", "name": "Paris"})
    assert made.status_code == 201, made.content
    read = api.get(V1 + "nodes/paris/").json()
    assert (read["sip_port"], read["converged"]) == (5060, False)
    changed = api.patch(V1 + "nodes/paris/", {"sip_port": 5070})
    assert changed.json()["sip_port"] == 5070
    assert api.delete(V1 + "nodes/paris/").json() == {"deployment": None}
    assert api.get(V1 + "nodes/paris/").status_code == 404


def test_a_trunk_lives_from_post_to_delete(api: APIClient, node: Node) -> None:
    made = api.post(
        V1 + "trunks/",
        {"node": "london", "name": "Vendor", "networks": [{"cidr": "203.0.113.20", "note": "A"}]},
    )
    assert made.status_code == 201, made.content
    url = f"{V1}trunks/{made.json()['id']}/"
    assert api.get(url).json()["networks"] == [{"cidr": "203.0.113.20/32", "note": "A"}]
    changed = api.patch(url, {"networks": [{"cidr": "2001:db8:113::20"}]})
    assert changed.json()["networks"] == [{"cidr": "2001:db8:113::20/128", "note": ""}]
    assert api.delete(url).status_code == 200
    assert not Trunk.objects.exists()


def test_a_number_lives_from_post_to_delete(api: APIClient, node: Node) -> None:
    trunk, one, two = factories.trunk(node), factories.peer(node), factories.peer(node)
    made = api.post(
        V1 + "numbers/",
        {
            "trunk": trunk.pk,
            "e164": "+442079460123",
            "steps": [
                {"kind": "ring", "peers": [two.pk, one.pk], "timeout": 10},
                {"kind": "reject", "cause": "busy"},
            ],
        },
    )
    assert made.status_code == 201, made.content
    url = f"{V1}numbers/{made.json()['id']}/"
    read = api.get(url).json()
    assert read["node"] == "london"
    assert [(s["kind"], sorted(s["peers"]), s["timeout"], s["cause"]) for s in read["steps"]] == [
        ("ring", sorted([one.pk, two.pk]), 10, "unavailable"),
        ("reject", [], 25, "busy"),
    ]
    changed = api.patch(url, {"steps": [{"peers": [one.pk]}]})
    assert [step["peers"] for step in changed.json()["steps"]] == [[one.pk]]
    assert api.delete(url).status_code == 200
    assert not Number.objects.exists()


def test_a_peer_lives_from_post_to_delete(api: APIClient, node: Node) -> None:
    made = api.post(V1 + "peers/", {"node": "london", "name": "Ada", "username": "ada"})
    assert made.status_code == 201, made.content
    url = f"{V1}peers/{made.json()['id']}/"
    assert api.patch(url, {"enabled": False}).json()["enabled"] is False
    assert api.get(url).json()["codecs"] == ["opus", "g722", "alaw", "ulaw"]
    assert api.delete(url).status_code == 200
    assert not Peer.objects.exists()


def test_a_management_network_lives_from_post_to_delete(api: APIClient, node: Node) -> None:
    made = api.post(V1 + "management-networks/", {"node": "london", "cidr": "198.51.100.7"})
    assert made.json()["cidr"] == "198.51.100.7/32"
    url = f"{V1}management-networks/{made.json()['id']}/"
    assert api.patch(url, {"note": "office"}).json()["note"] == "office"
    assert api.delete(url).status_code == 200
    assert not ManagementNetwork.objects.exists()


def _writes(node: Node) -> dict[str, Callable[[APIClient], Any]]:
    trunk = factories.trunk(node, "203.0.113.20/32")
    peer = factories.peer(node)
    number = factories.number(trunk, "+442079460100", peer)
    other = factories.trunk(node)
    spare = factories.peer(node)
    network = factories.management(node, "198.51.100.0/28")
    return {
        "node changed": lambda a: a.patch(V1 + "nodes/london/", {"name": "L"}),
        "node deployed": lambda a: a.post(V1 + "nodes/london/deploy/", {}),
        "trunk added": lambda a: a.post(V1 + "trunks/", {"node": "london", "name": "New"}),
        "trunk changed": lambda a: a.patch(f"{V1}trunks/{trunk.pk}/", {"enabled": False}),
        "trunk deleted": lambda a: a.delete(f"{V1}trunks/{other.pk}/"),
        "number added": lambda a: a.post(
            V1 + "numbers/", {"trunk": trunk.pk, "e164": "+442079460101", "enabled": False}
        ),
        "number changed": lambda a: a.patch(f"{V1}numbers/{number.pk}/", {"label": "x"}),
        "number deleted": lambda a: a.delete(f"{V1}numbers/{number.pk}/"),
        "peer added": lambda a: a.post(
            V1 + "peers/", {"node": "london", "name": "P", "username": "fresh"}
        ),
        "peer changed": lambda a: a.patch(f"{V1}peers/{peer.pk}/", {"name": "Q"}),
        "peer deleted": lambda a: a.delete(f"{V1}peers/{spare.pk}/"),
        "peer rotated": lambda a: a.post(f"{V1}peers/{peer.pk}/rotate/", {}),
        "peer compromised": lambda a: a.post(f"{V1}peers/{peer.pk}/compromised/", {}),
        "management added": lambda a: a.post(
            V1 + "management-networks/", {"node": "london", "cidr": "198.51.100.32/28"}
        ),
        "management changed": lambda a: a.patch(
            f"{V1}management-networks/{network.pk}/", {"note": "x"}
        ),
        "management deleted": lambda a: a.delete(f"{V1}management-networks/{network.pk}/"),
    }


WRITES = (
    "node changed", "node deployed", "trunk added", "trunk changed", "trunk deleted",
    "number added", "number changed", "number deleted", "peer added", "peer changed",
    "peer deleted", "peer rotated", "peer compromised", "management added", "management changed",
    "management deleted",
)  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
def test_every_write_makes_exactly_one_pending_deployment(
    api: APIClient, node: Node, write: str
) -> None:
    act = _writes(node)[write]
    before = generation(node)
    answer = act(api)
    assert answer.status_code in {200, 201, 202}, answer.content
    assert (pending(node), generation(node)) == (1, before + 1)
    row = Deployment.objects.get(node=node, state="pending")
    assert answer.json()["deployment"] == {
        "id": row.pk,
        "state": "pending",
        "url": f"{V1}deployments/{row.pk}/",
    }
    assert row.requested_by is not None
    assert api.get(answer.json()["deployment"]["url"]).json()["id"] == row.pk


def test_a_refused_write_makes_no_deployment(api: APIClient, node: Node) -> None:
    api.post(V1 + "peers/", {"node": "london", "name": "Ada", "username": "a"})
    assert (pending(node), generation(node)) == (0, 0)


def test_a_patch_leaves_every_unnamed_field_and_list_as_it_was(api: APIClient, node: Node) -> None:
    trunk = factories.trunk(
        node, "203.0.113.20/32", host="sip.example.net", username="acct", password="s3cret-word",
        codecs=["ulaw"], qualify=False, register=True,
    )  # fmt: skip
    url = f"{V1}trunks/{trunk.pk}/"
    before = api.get(url).json()
    api.patch(url, {"name": "Renamed"})
    assert api.get(url).json() == before | {"name": "Renamed"}
    trunk.refresh_from_db()
    assert trunk.password == "s3cret-word"


def test_a_patch_of_a_number_leaves_its_route(api: APIClient, node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460100", factories.peer(node))
    url = f"{V1}numbers/{number.pk}/"
    before = api.get(url).json()
    api.patch(url, {"label": "Office"})
    assert api.get(url).json() == before | {"label": "Office"}


def test_a_patch_writes_no_column_that_the_pipeline_owns(api: APIClient, node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(fence=9, applied_generation=4, lease_holder="w1")
    api.patch(V1 + "nodes/london/", {"name": "L"})
    node.refresh_from_db()
    assert (node.fence, node.applied_generation, node.lease_holder) == (9, 4, "w1")


def test_a_trunk_may_not_take_a_network_of_another(api: APIClient, node: Node) -> None:
    factories.trunk(node, "203.0.113.0/24")
    body = {"node": "london", "name": "V", "networks": [{"cidr": "203.0.113.20"}]}
    assert faults(api.post(V1 + "trunks/", body)) == {"networks.0.cidr": "overlap"}


def test_a_trunk_may_keep_its_own_network(api: APIClient, node: Node) -> None:
    trunk = factories.trunk(node, "203.0.113.0/24")
    answer = api.patch(f"{V1}trunks/{trunk.pk}/", {"networks": [{"cidr": "203.0.113.0/24"}]})
    assert answer.status_code == 200, answer.content


def test_a_network_named_twice_is_refused(api: APIClient, node: Node) -> None:
    body = {"networks": [{"cidr": "203.0.113.20"}, {"cidr": "203.0.113.20/32"}]}
    answer = api.post(V1 + "trunks/", {"node": "london", "name": "V", **body})
    assert faults(answer) == {"networks.1.cidr": "repeated"}


def test_a_ring_step_without_a_peer_is_refused(api: APIClient, node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460100", factories.peer(node))
    answer = api.patch(f"{V1}numbers/{number.pk}/", {"steps": [{"kind": "ring", "peers": []}]})
    assert faults(answer) == {"steps": "no_peers"}


def test_a_ring_step_with_another_nodes_peer_is_refused(api: APIClient, node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460100", factories.peer(node))
    stranger = factories.peer(factories.node())
    answer = api.patch(f"{V1}numbers/{number.pk}/", {"steps": [{"peers": [stranger.pk]}]})
    assert faults(answer) == {"steps": "other_node"}


def test_a_number_can_be_switched_on_only_with_a_route(api: APIClient, node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460100", enabled=False)
    answer = api.patch(f"{V1}numbers/{number.pk}/", {"enabled": True})
    assert faults(answer) == {"steps": "no_steps"}


@pytest.mark.parametrize("kind", ["peers", "trunks", "management-networks"])
def test_nothing_moves_to_another_node(api: APIClient, node: Node, kind: str) -> None:
    factories.node(slug="paris")
    row: Any = {
        "peers": lambda: factories.peer(node),
        "trunks": lambda: factories.trunk(node),
        "management-networks": lambda: factories.management(node, "198.51.100.0/28"),
    }[kind]()
    answer = api.patch(f"{V1}{kind}/{row.pk}/", {"node": "paris"})
    assert faults(answer) == {"node": "immutable"}


def test_a_number_does_not_move_to_a_trunk_of_another_node(api: APIClient, node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460100", factories.peer(node))
    away = factories.trunk(factories.node(slug="paris"))
    answer = api.patch(f"{V1}numbers/{number.pk}/", {"trunk": away.pk})
    assert faults(answer) == {"trunk": "immutable"}


def test_a_trunk_with_numbers_is_not_deleted(api: APIClient, node: Node) -> None:
    trunk = factories.trunk(node)
    factories.number(trunk, "+442079460100", factories.peer(node))
    body = problem(api.delete(f"{V1}trunks/{trunk.pk}/"), 409)
    assert "+442079460100" in body["detail"]
    assert pending(node) == 0


def test_the_last_peer_of_a_route_is_not_deleted(api: APIClient, node: Node) -> None:
    peer = factories.peer(node)
    factories.number(factories.trunk(node), "+442079460100", peer)
    body = problem(api.delete(f"{V1}peers/{peer.pk}/"), 409)
    assert "+442079460100" in body["detail"]


def test_a_model_constraint_answers_400_with_its_words(api: APIClient, node: Node) -> None:
    body = problem(api.patch(V1 + "nodes/london/", {"sip_port": 15000}), 400)
    assert body["detail"] == "The SIP port must lie outside the RTP range."


def test_a_second_peer_of_a_username_is_refused_by_name(api: APIClient, node: Node) -> None:
    factories.peer(node, username="ada")
    answer = api.post(V1 + "peers/", {"node": "london", "name": "A", "username": "ada"})
    assert faults(answer) == {"username": "unique_together"}


def test_a_second_node_of_a_slug_is_refused_by_name(api: APIClient, node: Node) -> None:
    answer = api.post(V1 + "nodes/", {"slug": "london", "name": "L"})
    assert faults(answer) == {"slug": "unique"}
