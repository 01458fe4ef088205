"""The rows' quick lane: the edited phone's rows, no others, and nothing that is taken away."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ddiweb import clock
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from firewall import quick as tokens
from peers.models import Peer, Token
from peers.realtime import quick
from peers.realtime.store import Store, open_store
from peers.realtime.target import RealtimeTarget
from peers.services import peer_created
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = open_store(f"sqlite:///{tmp_path / 'realtime.sqlite3'}")
    made.create_schema()
    return made


@pytest.fixture
def node() -> Node:
    """A node whose last deployment began an hour after all that was edited before."""
    made = factories.node()
    Deployment.objects.create(
        node=made,
        generation=1,
        state=State.DONE,
        reason="test",
        started_at=timezone.now(),
        finished_at=timezone.now(),
    )
    return made


def calm(node: Node) -> None:
    """What was edited so far is long in force."""
    Peer.history.update(history_date=timezone.now() - quick._MARGIN * 2)


def ids(store: Store) -> set[tuple[str, str]]:
    return set(store.read().by_key)


def test_a_new_phones_rows_are_written_and_no_others(node: Node, store: Store) -> None:
    factories.peer(node)
    calm(node)
    new = factories.peer(node)
    RealtimeTarget(store).hurry(node, 7)
    assert {id for _, id in ids(store)} == {new.username}
    assert store.fence() == 7


def test_an_edited_phones_rows_are_as_the_deployment_would_write_them(
    node: Node, store: Store
) -> None:
    phone = factories.peer(node)
    target = RealtimeTarget(store)
    target.hurry(node, 7)
    phone.codecs = ["g722"]
    phone.save()
    target.hurry(node, 8)
    assert store.read() == target.render(node).rows


def test_a_phone_that_is_switched_off_keeps_its_rows_until_the_deployment(
    node: Node, store: Store
) -> None:
    phone = factories.peer(node)
    quick.bring(node, store, 7)
    before = ids(store)
    phone.enabled = False
    phone.save()
    quick.bring(node, store, 8)
    assert ids(store) == before != set()


def test_the_token_of_a_new_phone_follows_its_rows(node: Node, store: Store) -> None:
    phone = factories.peer(node)
    token = peer_created(phone)
    before = tokens.waiting(node).fresh
    quick.bring(node, store, 7)
    after = tokens.waiting(node, quick.brought(node, 7)).fresh
    assert (before, after, quick.brought(node, 8)) == ((), (token,), frozenset())


def test_the_token_of_a_phone_that_is_switched_on_again_follows_its_rows(
    node: Node, store: Store
) -> None:
    phone = factories.peer(node, enabled=False)
    token = peer_created(phone)
    Token.objects.update(state="current", seen_at=clock.now())
    calm(node)
    phone.enabled = True
    phone.save()
    quick.bring(node, store, 7)
    assert tokens.waiting(node, quick.brought(node, 7)).fresh == (token,)


def test_a_crowd_is_left_to_the_deployment(node: Node) -> None:
    for _ in range(quick.MOST + 1):
        factories.peer(node)
    assert not RealtimeTarget().hurries(node)


def test_a_node_without_a_deployment_has_no_quick_lane() -> None:
    node = factories.node()
    factories.peer(node)
    assert not RealtimeTarget().hurries(node)


def test_its_queries_do_not_grow_with_the_phones(
    node: Node, store: Store, django_assert_num_queries: Any
) -> None:
    for _ in range(30):
        factories.peer(node)
    calm(node)
    factories.peer(node)
    with django_assert_num_queries(5):
        quick.bring(node, store, 7)
