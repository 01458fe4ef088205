"""Rotation and compromise from the panel."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from ddiweb.deploy.models import Node
from peers import services
from peers.models import Peer
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]
ROTATE = "/peers/peer/rotate/"


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def admin() -> Client:
    return panel.client()


@pytest.fixture
def peers(node: Node) -> list[Peer]:
    made = [factories.peer(node) for _ in range(3)]
    for peer in made:
        token = services.peer_created(peer)
        services.token_seen(token, timezone.now())
    panel.settle()
    return made


def wish(peers: list[Peer], what: str = "rotate", **over: Any) -> dict[str, Any]:
    return {"peers": [peer.pk for peer in peers], "what": what, "grace": "72"} | over


def states(peer: Peer) -> list[str]:
    return list(peer.tokens.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("action", ["rotate_tokens", "cut_off"])
def test_the_action_asks_first_and_does_nothing(
    admin: Client, peers: list[Peer], action: str
) -> None:
    form = {"action": action, "_selected_action": [peer.pk for peer in peers]}
    page = admin.post("/peers/peer/", form).content.decode()
    assert "What will happen" in page
    assert [states(peer) for peer in peers] == [["current"]] * 3


@pytest.mark.parametrize("what", ["rotate", "compromised"])
def test_the_peers_own_page_asks_first_and_does_nothing(
    admin: Client, peers: list[Peer], what: str
) -> None:
    page = admin.post(f"/peers/peer/{peers[0].pk}/ask/{what}/").content.decode()
    assert "What will happen" in page
    assert states(peers[0]) == ["current"]


def test_rotation_issues_a_token_and_keeps_the_old_one_for_the_grace(
    admin: Client, peers: list[Peer]
) -> None:
    admin.post(ROTATE, wish(peers[:1], grace="24"))
    old, new = peers[0].tokens.order_by("pk")
    left = old.grace_until - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    assert (new.state, new.grace_until) == ("issued", None)


def test_rotation_of_many_makes_one_deployment(admin: Client, peers: list[Peer]) -> None:
    admin.post(ROTATE, wish(peers))
    assert [row.reason for row in panel.pending()] == ["3 tokens rotated"]
    assert [states(peer) for peer in peers] == [["current", "issued"]] * 3


def test_the_grace_is_72_hours_unless_another_is_chosen(admin: Client, peers: list[Peer]) -> None:
    admin.post(ROTATE, wish(peers[:1], grace=""))
    left = peers[0].tokens.order_by("pk")[0].grace_until - timezone.now()
    assert timedelta(hours=71, minutes=59) < left <= timedelta(hours=72)


def test_a_grace_that_is_not_offered_is_refused(admin: Client, peers: list[Peer]) -> None:
    admin.post(ROTATE, wish(peers, grace="100000"))
    assert [states(peer) for peer in peers] == [["current"]] * 3


def test_a_compromise_revokes_at_once_and_issues_a_new_token(
    admin: Client, peers: list[Peer]
) -> None:
    admin.post(ROTATE, wish(peers[:1], "compromised"))
    assert states(peers[0]) == ["revoked", "issued"]
    assert [row.urgent for row in panel.pending()] == [True]


def test_a_rotation_is_written_into_the_history(admin: Client, peers: list[Peer]) -> None:
    admin.post(ROTATE, wish(peers))
    assert LogEntry.objects.filter(change_message__contains="rotated").count() == 3


def test_too_many_live_tokens_are_refused_as_a_whole(admin: Client, peers: list[Peer]) -> None:
    for _ in range(3):
        services.rotate(peers[:1])
    panel.settle()
    reply = admin.post(ROTATE, wish(peers), follow=True)
    assert "Nothing was done" in " ".join(map(str, reply.context["messages"]))
    assert states(peers[1]) == ["current"]
    assert panel.pending() == []


def test_the_page_warns_while_a_grace_runs_and_the_new_token_was_not_seen(
    admin: Client, peers: list[Peer]
) -> None:
    services.rotate(peers[:1])
    url = f"/peers/peer/{peers[0].pk}/change/"
    assert "not yet seen with the new one" in admin.get(url).content.decode()


def test_the_warning_ends_when_the_phone_is_seen_with_the_new_token(
    admin: Client, peers: list[Peer]
) -> None:
    (new,) = services.rotate(peers[:1])
    services.token_seen(new, timezone.now())
    url = f"/peers/peer/{peers[0].pk}/change/"
    assert "not yet seen with the new one" not in admin.get(url).content.decode()


@pytest.mark.parametrize("url", ["ask/rotate/", "ask/compromised/", "phone/"])
def test_somebody_who_only_looks_can_neither_rotate_nor_reveal(peers: list[Peer], url: str) -> None:
    viewer = panel.person("viewer", superuser=False, may=["peers.view_peer", "peers.view_token"])
    reply = panel.client(viewer).post(f"/peers/peer/{peers[0].pk}/{url}")
    assert reply.status_code == 403


def test_somebody_who_only_looks_can_not_confirm_a_rotation(peers: list[Peer]) -> None:
    viewer = panel.person("viewer", superuser=False, may=["peers.view_peer"])
    assert panel.client(viewer).post(ROTATE, wish(peers)).status_code == 403
    assert states(peers[0]) == ["current"]


def test_somebody_who_only_looks_is_not_offered_the_buttons(peers: list[Peer]) -> None:
    viewer = panel.client(panel.person("viewer", superuser=False, may=["peers.view_peer"]))
    for url in ("/peers/peer/", f"/peers/peer/{peers[0].pk}/change/"):
        page = viewer.get(url).content.decode()
        assert "compromised" not in page
