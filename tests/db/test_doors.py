"""What the doors let in must fit both renderers: one bad row would refuse every deployment."""

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from ddiweb.deploy.models import Node
from firewall.models import ManagementNetwork
from firewall.ruleset.types import MAX_NETWORKS
from peers import rules
from peers.models import TrunkNetwork
from peers.realtime.render import render
from peers.realtime.routes import TARGETS_MAX
from peers.realtime.snapshot import take
from tests import factories
from tests.db.api import V1, client, faults, operator, send

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def api() -> APIClient:
    return client(operator())


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


def trunk(**fields: object) -> dict[str, object]:
    return {"node": "london", "name": "Vendor", "host": "sip.example.net"} | fields


@pytest.mark.parametrize("cidr", ["::ffff:198.51.100.9", "::198.51.100.9", "::ffff:0:0/96"])
def test_an_ipv4_address_in_ipv6_form_is_refused_at_each_door(
    api: APIClient, node: Node, cidr: str
) -> None:
    networks = [{"cidr": cidr}]
    vendor = send(api, "post", f"{V1}trunks/", trunk(networks=networks))
    manager = send(api, "post", f"{V1}management-networks/", {"node": "london", "cidr": cidr})
    assert list(faults(vendor).values()) == list(faults(manager).values()) == ["mapped_network"]


@pytest.mark.parametrize("password", [" abcdefgh", "abcdefgh ", "abcdefgh\u00a0"])
def test_a_vendors_password_with_a_blank_at_an_end_is_refused(
    api: APIClient, node: Node, password: str
) -> None:
    reply = send(api, "post", f"{V1}trunks/", trunk(username="u", password=password))
    assert faults(reply) == {"password": "blank"}


def test_a_registration_without_a_password_is_refused(api: APIClient, node: Node) -> None:
    reply = send(api, "post", f"{V1}trunks/", trunk(username="u", register=True))
    assert faults(reply) == {"password": "no_password"}


def test_the_password_of_a_registration_can_not_be_taken_away(api: APIClient, node: Node) -> None:
    fields = {"host": "sip.example.net", "username": "u", "password": "abcdefgh"}
    row = factories.trunk(node, register=True, **fields)
    reply = send(api, "patch", f"{V1}trunks/{row.pk}/", {"password": ""})
    assert faults(reply) == {"password": "no_password"}


def test_no_more_phones_ring_at_once_than_can_be_rendered(api: APIClient, node: Node) -> None:
    peers = [factories.peer(node).pk for _ in range(TARGETS_MAX + 1)]
    number = {"trunk": factories.trunk(node).pk, "e164": "+442079460123"}
    reply = send(
        api, "post", f"{V1}numbers/", number | {"steps": [{"kind": "ring", "peers": peers}]}
    )
    assert faults(reply) == {"steps": "too_many_peers"}


def test_the_trunks_of_a_node_have_no_more_networks_than_the_agent_takes(
    api: APIClient, node: Node
) -> None:
    other = factories.trunk(node)
    TrunkNetwork.objects.bulk_create(
        TrunkNetwork(trunk=other, cidr=f"10.0.{i // 250}.{i % 250}/32")
        for i in range(MAX_NETWORKS - 1)
    )
    networks = [{"cidr": "198.51.100.1"}, {"cidr": "198.51.100.2"}]
    reply = send(api, "post", f"{V1}trunks/", trunk(networks=networks))
    assert faults(reply) == {"networks": "too_many_networks"}


def test_a_node_has_no_more_management_networks_than_the_agent_takes(node: Node) -> None:
    ManagementNetwork.objects.bulk_create(
        ManagementNetwork(node=node, cidr=f"10.0.{i // 250}.{i % 250}/32")
        for i in range(MAX_NETWORKS)
    )
    with pytest.raises(ValidationError, match="fewer, wider"):
        ManagementNetwork(node=node, cidr="198.51.100.1/32").full_clean()


def test_no_peer_can_take_the_name_of_a_trunks_credentials(node: Node) -> None:
    """The name stands in plans; a second row of it would refuse the whole."""
    factories.trunk(node, host="sip.example.net", username="u", password="abcdefgh")
    (auth,) = render(take(node)[0]).table("ps_auths")
    peer = factories.peer(node)
    peer.username = auth.id
    with pytest.raises(ValidationError):
        peer.clean_fields()


def test_a_rule_names_the_step_with_too_many_phones(node: Node) -> None:
    peers = [factories.peer(node) for _ in range(TARGETS_MAX + 1)]
    with pytest.raises(ValidationError, match="Step 2 rings 21 phones"):
        rules.step_rings_somebody(node.pk, 2, peers)
