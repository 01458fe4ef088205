"""The page on which a person gives the word for a restart."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live import restarts
from ddiweb.live.models import Channel
from ddiweb.live.restart_models import Restart
from tests import factories
from tests.db.panel import client, person

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    made = factories.node()
    Channel.objects.create(
        node=made, unique_id="1.1", call_id="1.1", endpoint="peer_1", number="4420",
        started_at=timezone.now(),
    )  # fmt: skip
    return made


def say(node: Node, *permissions: str, **words: str) -> int:
    page = reverse("admin:deploy_node_restart", args=[node.pk])
    return int(client(person(superuser=False, may=permissions)).post(page, words).status_code)


def test_calls_that_are_up_are_not_cut_without_a_tick(node: Node) -> None:
    assert say(node, "deploy.change_node", say="now") == 302
    assert not Restart.objects.exists()


def test_with_it_they_may_be(node: Node) -> None:
    say(node, "deploy.change_node", say="now", sure="yes")
    assert Restart.objects.get().how == "now"


def test_a_wish_is_taken_back_on_the_same_page(node: Node) -> None:
    restarts.wish(node, "quiet")
    say(node, "deploy.change_node", say="cancel")
    assert Restart.objects.get().state == "cancelled"


def test_who_may_not_change_the_node_gives_no_word(node: Node) -> None:
    assert say(node, "deploy.view_node", say="quiet") == 403
    assert not Restart.objects.exists()


def test_who_may_not_see_calls_is_told_only_how_many(node: Node) -> None:
    page = reverse("admin:deploy_node_restart", args=[node.pk])
    text = client(person(superuser=False, may=["deploy.change_node"])).get(page).content.decode()
    assert "1 call." in text
    assert "4420" not in text


def look(node: Node, **query: str) -> Any:
    page = reverse("admin:deploy_node_restart", args=[node.pk])
    return client(person()).get(page, query)


def test_the_tick_for_now_is_never_set_beforehand(node: Node) -> None:
    Channel.objects.all().delete()
    assert " checked" not in look(node).content.decode()


def test_the_page_follows_a_wish_while_it_is_open(node: Node) -> None:
    restarts.wish(node, "quiet")
    assert "data-poll" in look(node).content.decode()


def test_it_goes_on_while_the_wish_is_open(node: Node) -> None:
    restarts.wish(node, "quiet")
    assert "X-Poll" not in look(node, piece="1").headers


def test_it_stops_when_the_wish_has_ended(node: Node) -> None:
    assert look(node, piece="1").headers["X-Poll"] == "stop"


def test_in_dry_run_no_word_can_be_given(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(dry_run=True)
    assert 'value="now"' not in look(node).content.decode()
