"""Marks of tokens: given out once, again only after a rest, and never missed by a compromise."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from ddiweb import clock
from ddiweb.deploy.models import Node
from firewall import snapshot
from peers import services
from peers.choices import TokenState
from peers.models import Peer, Token
from tests import factories
from tests.db.api import V1, client, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]
RESTED = services.MARK_RESTS + timedelta(minutes=1)


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(factories.node())
    services.peer_created(made)
    return made


def used_up(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(next_mark=services.LAST_MARK + 1)


def cut(token: Token, ago: timedelta = RESTED, **fields: object) -> Token:
    """Revoke ``token`` and prove its flows cut, so long ago."""
    services.revoke([token])
    node = Node.objects.get(pk=token.node_id)
    values = {"cut_at": clock.now() - ago, "cut_generation": node.generation, "value": ""}
    Token.objects.filter(pk=token.pk).update(**(values | fields))
    Node.objects.filter(pk=node.pk).update(generation=node.generation + 1)
    return Token.objects.get(pk=token.pk)


def test_a_mark_that_rested_is_given_out_again_after_the_last_one(peer: Peer) -> None:
    old = cut(peer.tokens.get())
    used_up(peer.node)
    (new,) = services.rotate([peer])
    old.refresh_from_db()
    assert (new.mark, old.mark_given_back, old.state) == (old.mark, True, TokenState.REVOKED)


def test_no_mark_is_given_out_again_while_there_are_fresh_ones(peer: Peer) -> None:
    old = cut(peer.tokens.get())
    (new,) = services.rotate([peer])
    assert new.mark != old.mark


@pytest.mark.parametrize(
    ("ago", "fields"),
    [
        (services.MARK_RESTS - timedelta(hours=1), {}),
        (RESTED, {"cut_generation": None}),
        (RESTED, {"cut_at": None, "cut_generation": None}),
        (RESTED, {"cut_generation": 2**40}),
    ],
    ids=["cut lately", "never proved cut", "not cut", "still listed as revoked"],
)
def test_a_mark_that_a_flow_may_still_carry_is_not_given_out(
    peer: Peer, ago: timedelta, fields: dict[str, object]
) -> None:
    cut(peer.tokens.get(), ago, **fields)
    used_up(peer.node)
    with pytest.raises(services.TokenError, match="free 6 days after"):
        services.rotate([peer])


def test_the_mark_of_a_live_token_is_not_given_out(peer: Peer) -> None:
    used_up(peer.node)
    with pytest.raises(services.TokenError):
        services.rotate([peer])


def test_the_mark_that_rests_longest_is_taken_first_and_each_once(peer: Peer) -> None:
    services.rotate([peer])
    services.rotate([peer])
    first, second, _ = peer.tokens.order_by("pk")
    cut(second, RESTED + timedelta(days=9))
    cut(first)
    used_up(peer.node)
    taken = [services.rotate([peer])[0].mark for _ in range(2)]
    assert taken == [second.mark, first.mark]


def test_a_mark_in_use_again_is_listed_as_live_and_not_as_revoked(peer: Peer) -> None:
    old = cut(peer.tokens.get(), cut_generation=0)
    used_up(peer.node)
    (new,) = services.rotate([peer])
    # Even if the old row looked as if its cut were of the newest generation.
    Token.objects.filter(pk=old.pk).update(cut_generation=2**40)
    intent = snapshot.take(Node.objects.get(pk=peer.node_id))
    assert ([one.value for one in intent.tokens], intent.revoked) == ([new.value], ())


def test_two_tokens_can_not_hold_one_mark_at_a_time(peer: Peer) -> None:
    old = cut(peer.tokens.get())
    with pytest.raises(IntegrityError), transaction.atomic():
        Token.objects.create(node=peer.node, peer=peer, mark=old.mark, digest="d", hint="h")


def test_no_mark_is_given_back_that_was_not_proved_cut(peer: Peer) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        peer.tokens.update(mark_given_back=True)


def test_a_compromise_cuts_the_phone_though_no_mark_is_free(peer: Peer) -> None:
    used_up(peer.node)
    assert services.compromised([peer]) == []
    assert [token.state for token in peer.tokens.all()] == [TokenState.REVOKED]
    assert snapshot.take(Node.objects.get(pk=peer.node_id)).revoked == (1,)


def test_a_compromise_of_many_gives_new_tokens_as_far_as_marks_go(peer: Peer) -> None:
    other = factories.peer(peer.node)
    services.peer_created(other)
    Node.objects.filter(pk=peer.node_id).update(next_mark=services.LAST_MARK)
    assert len(services.compromised([peer, other])) == 1
    live = Token.objects.exclude(state=TokenState.REVOKED)
    assert [token.mark for token in live] == [services.LAST_MARK]


def test_the_api_says_that_a_phone_is_cut_off_without_a_new_token(peer: Peer) -> None:
    api = client(operator())
    used_up(peer.node)
    answer = api.post(f"{V1}peers/{peer.pk}/compromised/")
    body = answer.json()
    assert (answer.status_code, body["token"], body["secrets"]) == (200, None, None)
    assert body["deployment"]["id"]
