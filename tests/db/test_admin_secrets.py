"""Secrets go in and never come out, except on the page that is asked to show them."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from ddiweb.deploy.models import Deployment, Node
from peers import services
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
    secrets = [peer.password, trunk.password, peer.tokens.get().value, peer.tokens.get().digest]
    for url in pages(peer, trunk):
        reply = admin.get(url)
        assert reply.status_code == 200, url
        assert not [s for s in secrets if s in reply.content.decode()], url


def test_a_refused_form_does_not_show_the_secret_that_was_typed(admin: Client, node: Node) -> None:
    form = panel.peer_form(node, password="a secret with spaces", username="!")
    page = admin.post("/peers/peer/add/", form).content.decode()
    assert "a secret with spaces" not in page


def test_a_blank_password_keeps_the_one_of_a_peer(admin: Client, peer: Peer) -> None:
    before = peer.password
    form = panel.peer_form(peer.node, name="Ada at home")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert (peer.name, peer.password) == ("Ada at home", before)


def test_a_blank_password_keeps_the_one_of_a_trunk(admin: Client, trunk: Trunk) -> None:
    form = panel.trunk_form(trunk.node, username="acct", name="Vendor two")
    admin.post(f"/peers/trunk/{trunk.pk}/change/", form)
    trunk.refresh_from_db()
    assert (trunk.name, trunk.password) == ("Vendor two", "vendor-secret-91")


def test_a_new_password_takes_the_place_of_the_old_one(admin: Client, peer: Peer) -> None:
    form = panel.peer_form(peer.node, password="another-password-1")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert peer.password == "another-password-1"
    assert len(panel.pending()) == 1


def test_a_fresh_random_password_can_be_asked_for(admin: Client, peer: Peer) -> None:
    before = peer.password
    form = panel.peer_form(peer.node, fresh_password="on")
    admin.post(f"/peers/peer/{peer.pk}/change/", form)
    peer.refresh_from_db()
    assert peer.password != before
    assert re.fullmatch(r"[a-z2-7]{26}", peer.password)


def test_the_set_up_page_shows_everything_that_has_to_be_typed(admin: Client, peer: Peer) -> None:
    page = admin.post(f"/peers/peer/{peer.pk}/phone/").content.decode()
    for value in ("203.0.113.10", "5060", "ada", peer.password, peer.tokens.get().value):
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
    assert peer.password not in text
    assert peer.tokens.get().value not in text
