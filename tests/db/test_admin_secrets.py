"""Secrets go in and never come out, except on the page that is asked to show them."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from ddiweb.deploy.models import Deployment, Node
from peers import passwords, services
from peers.models import Peer, Trunk
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def admin() -> Client:
    return panel.client()


@pytest.fixture
def peer(node: Node) -> Peer:
    made = factories.peer(node, name="Ada mobile", username="ada", codecs=["opus", "alaw"])
    services.peer_created(made)
    panel.settle()
    return made


@pytest.fixture
def trunk(node: Node) -> Trunk:
    return factories.trunk(node, name="Vendor", username="acct", password="vendor-secret-91")


def pages(peer: Peer, trunk: Trunk) -> list[str]:
    token = peer.tokens.get()
    deployment = Deployment.objects.create(node=peer.node, generation=1, reason="x")
    return [
        "/", "/board/", "/peers/peer/", f"/peers/peer/{peer.pk}/change/",
        f"/peers/peer/{peer.pk}/history/", f"/peers/peer/{peer.pk}/delete/",
        "/peers/trunk/", f"/peers/trunk/{trunk.pk}/change/", "/peers/token/",
        f"/peers/token/{token.pk}/change/", f"/deploy/node/{peer.node_id}/change/",
        f"/deploy/node/{peer.node_id}/plan/", f"/deploy/deployment/{deployment.pk}/change/",
        f"/deploy/deployment/{deployment.pk}/progress/",
    ]  # fmt: skip


def test_no_page_shows_a_secret(admin: Client, peer: Peer, trunk: Trunk) -> None:
    secrets = [
        *peer.hashes.split(),
        trunk.password,
        peer.tokens.get().value,
        peer.tokens.get().digest,
    ]
    for url in pages(peer, trunk):
        reply = admin.get(url)
        assert reply.status_code == 200, url
        assert not [s for s in secrets if s in reply.content.decode()], url


def test_a_refused_form_does_not_show_the_secret_that_was_typed(admin: Client, node: Node) -> None:
    form = panel.peer_form(node, password="a secret with spaces", username="!")
    page = admin.post("/peers/peer/add/", form).content.decode()
    assert "a secret with spaces" not in page


def test_a_blank_password_keeps_the_one_of_a_peer(admin: Client, peer: Peer) -> None:
    before = peer.hashes
    form = panel.peer_form(peer.node, name="Ada at home")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert (peer.name, peer.hashes) == ("Ada at home", before)


def test_another_username_needs_another_password(admin: Client, peer: Peer) -> None:
    form = panel.peer_form(peer.node, username="ada2")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert (peer.hashes, passwords.is_due(peer)) == ("", True)


def test_a_blank_password_keeps_the_one_of_a_trunk(admin: Client, trunk: Trunk) -> None:
    form = panel.trunk_form(trunk.node, username="acct", name="Vendor two")
    admin.post(f"/peers/trunk/{trunk.pk}/change/", form)
    trunk.refresh_from_db()
    assert (trunk.name, trunk.password) == ("Vendor two", "vendor-secret-91")


def test_a_new_password_takes_the_place_of_the_old_one(admin: Client, peer: Peer) -> None:
    form = panel.peer_form(peer.node, password="another-password-1")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert peer.hashes == passwords.hashed("ada", "ddiweb", "another-password-1")
    assert len(panel.pending()) == 1


def on_the_page(page: str, peer: Peer) -> list[str]:
    """What on the page is the peer's password."""
    words = set(re.findall(r"[a-z2-7]{26}", page))
    return [one for one in words if passwords.hashed("ada", "ddiweb", one) == peer.hashes]


def test_the_set_up_page_shows_the_password_once(admin: Client, peer: Peer) -> None:
    Peer.objects.update(password_made_at=None, hashes="")
    page, again = (admin.post(f"/peers/peer/{peer.pk}/phone/").content.decode() for _ in range(2))
    peer.refresh_from_db()
    assert [len(on_the_page(one, peer)) for one in (page, again)] == [1, 0]


def test_a_lost_password_is_replaced_on_the_set_up_page(admin: Client, peer: Peer) -> None:
    page = admin.post(f"/peers/peer/{peer.pk}/phone/", {"fresh": "1"}).content.decode()
    peer.refresh_from_db()
    assert len(on_the_page(page, peer)) == 1
    assert len(panel.pending()) == 1


def test_the_set_up_page_shows_everything_else_that_has_to_be_typed(
    admin: Client, peer: Peer
) -> None:
    page = admin.post(f"/peers/peer/{peer.pk}/phone/").content.decode()
    for value in ("203.0.113.10", "5060", "ada", peer.tokens.get().value):
        assert value in page


def test_the_set_up_page_is_not_kept_by_the_browser(admin: Client, peer: Peer) -> None:
    reply = admin.post(f"/peers/peer/{peer.pk}/phone/")
    assert "no-store" in reply["Cache-Control"]


def test_the_set_up_page_answers_only_to_post(admin: Client, peer: Peer) -> None:
    assert admin.get(f"/peers/peer/{peer.pk}/phone/").status_code == 405


def test_showing_the_secrets_is_written_into_the_history(admin: Client, peer: Peer) -> None:
    admin.post(f"/peers/peer/{peer.pk}/phone/")
    entry = LogEntry.objects.get()
    assert (entry.object_id, str(entry.user)) == (str(peer.pk), "root")
    assert "shown" in entry.get_change_message()


def test_the_history_holds_no_secret(admin: Client, peer: Peer) -> None:
    admin.post(f"/peers/peer/{peer.pk}/phone/")
    form = panel.peer_form(peer.node, password="another-password-1")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    text = str(list(LogEntry.objects.values())) + str(list(Peer.history.values()))
    assert not [one for one in peer.hashes.split() if one in text]
    assert peer.tokens.get().value not in text
