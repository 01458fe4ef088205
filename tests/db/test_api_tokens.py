"""Rotation, compromise and revocation over the API; secrets are answered once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from ddiweb.deploy.models import Deployment, Node
from ddiweb.live.models import Contact
from peers import passwords, services
from peers.models import Peer, Token, Trunk
from tests import factories
from tests.db.api import V1, client, faults, operator, pending, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def api() -> APIClient:
    return client(operator())


@pytest.fixture
def peer(node: Node) -> Peer:
    made = factories.peer(node)
    services.issue_token(made)
    return made


def _states(peer: Peer) -> list[str]:
    return list(peer.tokens.order_by("pk").values_list("state", flat=True))


def test_a_new_peers_password_and_token_are_answered_once(api: APIClient, node: Node) -> None:
    made = api.post(V1 + "peers/", {"node": "london", "name": "Ada", "username": "ada"})
    peer = Peer.objects.get()
    token = Token.objects.get()
    secrets = made.json()["secrets"]
    assert secrets["token"] == token.value
    assert passwords.hashed("ada", "ddiweb", secrets["password"]) == peer.hashes
    assert made["Cache-Control"] == "no-store"
    assert token.value.startswith(node.site_prefix)


def test_a_rotation_answers_the_new_token_and_keeps_the_old_for_its_grace(
    api: APIClient, peer: Peer
) -> None:
    answer = api.post(f"{V1}peers/{peer.pk}/rotate/", {"grace_seconds": 60})
    old, new = peer.tokens.order_by("pk")
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["secrets"] == {"password": None, "token": new.value}
    assert answer.json()["token"]["id"] == new.pk
    assert old.grace_until is not None
    assert timedelta(seconds=50) < old.grace_until - timezone.now() <= timedelta(seconds=60)
    assert _states(peer) == ["issued", "issued"]


@pytest.mark.parametrize("grace", [-1, 2_592_001, "soon", None, 1.5])
def test_a_grace_out_of_range_is_refused(api: APIClient, peer: Peer, grace: Any) -> None:
    answer = api.post(f"{V1}peers/{peer.pk}/rotate/", {"grace_seconds": grace})
    assert set(faults(answer)) == {"grace_seconds"}
    assert _states(peer) == ["issued"]


def test_many_peers_are_rotated_with_one_deployment(api: APIClient, node: Node, peer: Peer) -> None:
    other = factories.peer(node)
    answer = api.post(V1 + "peers/rotate/", {"ids": [peer.pk, other.pk], "grace_seconds": 0})
    results = answer.json()["results"]
    assert [one["peer"] for one in results] == [peer.pk, other.pk]
    assert [one["secrets"]["token"] for one in results] == [
        item.tokens.order_by("pk").last().value  # type: ignore[union-attr]
        for item in (peer, other)
    ]
    assert pending(node) == 1


def test_peers_of_two_nodes_are_rotated_with_a_deployment_each(api: APIClient, peer: Peer) -> None:
    away = factories.peer(factories.node(slug="paris"))
    results = api.post(V1 + "peers/rotate/", {"ids": [peer.pk, away.pk]}).json()["results"]
    assert len({one["deployment"]["id"] for one in results}) == 2


def test_an_unknown_peer_lets_nobody_be_rotated(api: APIClient, peer: Peer) -> None:
    answer = api.post(V1 + "peers/rotate/", {"ids": [peer.pk, 999_999]})
    assert faults(answer) == {"ids": "does_not_exist"}
    assert _states(peer) == ["issued"]


def test_a_compromise_revokes_at_once_and_is_urgent(api: APIClient, peer: Peer) -> None:
    answer = api.post(f"{V1}peers/{peer.pk}/compromised/", {})
    assert _states(peer) == ["revoked", "issued"]
    assert answer.json()["secrets"]["token"] == peer.tokens.get(state="issued").value
    assert Deployment.objects.get(state="pending").urgent


def test_a_fifth_live_token_is_a_conflict_that_says_what_to_do(api: APIClient, peer: Peer) -> None:
    for _ in range(services.MOST_LIVE_TOKENS - 1):
        api.post(f"{V1}peers/{peer.pk}/rotate/", {})
    body = problem(api.post(f"{V1}peers/{peer.pk}/rotate/", {}), 409)
    assert "revoke one" in body["detail"]


def test_a_token_is_revoked_by_its_id(api: APIClient, peer: Peer) -> None:
    token = peer.tokens.get()
    answer = api.post(f"{V1}tokens/{token.pk}/revoke/", {})
    assert (answer.json()["state"], _states(peer)) == ("revoked", ["revoked"])
    assert answer.json()["deployment"] is not None


def test_a_second_revocation_changes_nothing(api: APIClient, peer: Peer) -> None:
    token = peer.tokens.get()
    api.post(f"{V1}tokens/{token.pk}/revoke/", {})
    Deployment.objects.all().delete()
    assert api.post(f"{V1}tokens/{token.pk}/revoke/", {}).json()["deployment"] is None
    assert not Deployment.objects.exists()


def test_a_deleted_peers_tokens_stay_until_they_are_cut(api: APIClient, peer: Peer) -> None:
    api.delete(f"{V1}peers/{peer.pk}/")
    listed = api.get(V1 + "tokens/").json()["results"]
    assert [(one["peer"], one["state"]) for one in listed] == [(None, "revoked")]


def test_no_later_answer_holds_a_secret(api: APIClient, node: Node) -> None:
    trunk = {"node": "london", "name": "V", "username": "acct", "password": "vendor-s3cret"}
    made = api.post(V1 + "trunks/", trunk)
    changed = api.patch(f"{V1}trunks/{made.json()['id']}/", {"password": "vendor-s3cret2"})
    api.post(V1 + "peers/", {"node": "london", "name": "Ada", "username": "ada"})
    peer = Peer.objects.get()
    again = api.patch(f"{V1}peers/{peer.pk}/", {"password": "another-s3cret-word"})
    token = Token.objects.get()
    Contact.objects.create(
        node=node, endpoint="ada", uri=f"sip:ada@198.51.100.1;x-ddi={token.value}",
        user_agent=f"App/1 {token.value}", seen_at=timezone.now(),
    )  # fmt: skip
    Deployment.objects.update(
        error=f"bad {token.value}",
        plan={"firewall": [f"+ {token.value}"]},
        log=[{"at": "2026-01-01T00:00:00Z", "state": "pending", "text": token.value}],
    )
    peer.refresh_from_db()
    secrets = [
        "vendor-s3cret", "another-s3cret-word", token.value, token.value[-22:], token.digest,
    ]  # fmt: skip
    answers = [made, changed, again] + [
        api.get(V1 + url)
        for url in (
            "nodes/", "trunks/", f"trunks/{Trunk.objects.get().pk}/", "peers/",
            f"peers/{peer.pk}/", "tokens/", f"tokens/{token.pk}/", "contacts/", "status/",
            "deployments/", f"deployments/{Deployment.objects.get().pk}/", "calls/",
            "security-events/", "management-networks/", "numbers/",
        )
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code in {200, 201}
        leaked = [one for one in secrets if one.encode() in answer.content]
        assert not leaked, (answer.request["PATH_INFO"], leaked)


def test_a_refused_secret_is_not_repeated(api: APIClient, peer: Peer) -> None:
    answer = api.patch(f"{V1}peers/{peer.pk}/", {"password": "spoken aloud, 'twice'"})
    assert set(faults(answer)) == {"password"}
    assert b"spoken" not in answer.content


def test_a_trunk_says_whether_it_has_a_password(api: APIClient, node: Node) -> None:
    trunk = factories.trunk(node, password="s3cret-word")
    url = f"{V1}trunks/{trunk.pk}/"
    assert api.get(url).json()["password_set"] is True
    assert api.patch(url, {"password": ""}).json()["password_set"] is False
