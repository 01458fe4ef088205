"""The life of a token: issued, current, retiring, revoked."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from ddiweb.deploy.models import Deployment
from peers import services
from peers.choices import TokenState
from peers.models import Peer, Token
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(factories.node())
    services.peer_created(made)
    return made


def states(peer: Peer) -> list[str]:
    return list(peer.tokens.order_by("pk").values_list("state", flat=True))


def test_a_token_is_the_site_prefix_and_130_random_bits(peer: Peer) -> None:
    value = peer.tokens.get().value
    assert re.fullmatch(r"ddi-[a-z2-7]{8}-[a-z2-7]{26}", value)
    assert value.startswith(peer.node.site_prefix)


def test_a_token_is_not_in_the_database_in_clear(peer: Peer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM peers_token")
        text = str(cursor.fetchall())
    assert peer.tokens.get().value not in text


def test_a_new_peer_asks_for_one_deployment(peer: Peer) -> None:
    assert Deployment.objects.filter(node=peer.node).count() == 1


def test_rotation_keeps_the_old_token_until_its_grace_ends(peer: Peer) -> None:
    services.rotate([peer], grace=timedelta(hours=1))
    assert states(peer) == [TokenState.ISSUED, TokenState.ISSUED]
    services.expire_tokens(timezone.now() + timedelta(hours=2))
    assert states(peer) == [TokenState.REVOKED, TokenState.ISSUED]


def test_a_phone_seen_with_the_new_token_retires_the_old_one(peer: Peer) -> None:
    first = peer.tokens.get()
    assert services.token_seen(first, timezone.now())
    (second,) = services.rotate([peer])
    services.token_seen(second, timezone.now())
    assert states(peer) == [TokenState.RETIRING, TokenState.CURRENT]


def test_a_phone_seen_again_with_the_old_token_changes_nothing(peer: Peer) -> None:
    first = peer.tokens.get()
    (second,) = services.rotate([peer])
    services.token_seen(second, timezone.now())
    assert not services.token_seen(first, timezone.now())
    assert states(peer) == [TokenState.RETIRING, TokenState.CURRENT]


def test_rotating_again_does_not_prolong_an_old_grace(peer: Peer) -> None:
    services.rotate([peer], grace=timedelta(hours=1))
    before = peer.tokens.order_by("pk")[0].grace_until
    services.rotate([peer], grace=timedelta(hours=9))
    assert peer.tokens.order_by("pk")[0].grace_until == before


def test_a_compromise_revokes_every_token_at_once_and_issues_a_new_one(peer: Peer) -> None:
    services.rotate([peer])
    services.compromised([peer])
    assert states(peer) == [TokenState.REVOKED, TokenState.REVOKED, TokenState.ISSUED]
    assert Deployment.objects.filter(urgent=True, state="pending").exists()


def test_a_revoked_token_is_never_seen_again(peer: Peer) -> None:
    token = peer.tokens.get()
    services.revoke([token])
    services.token_seen(token, timezone.now())
    token.refresh_from_db()
    assert token.state == TokenState.REVOKED


def test_a_deleted_peer_leaves_its_revoked_token_to_be_cut(peer: Peer) -> None:
    services.delete_peers([peer])
    token = Token.objects.get()
    assert (token.state, token.peer) == (TokenState.REVOKED, None)


def test_a_peer_can_not_be_deleted_past_its_live_token(peer: Peer) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Peer.objects.filter(pk=peer.pk).delete()


def test_a_fifth_live_token_is_refused_with_the_remedy(peer: Peer) -> None:
    for _ in range(3):
        services.rotate([peer])
    with pytest.raises(services.TokenError, match="revoke one"):
        services.rotate([peer])


def test_no_two_tokens_of_a_node_share_a_mark(peer: Peer) -> None:
    services.rotate([peer])
    marks = list(peer.tokens.values_list("mark", flat=True))
    assert len(set(marks)) == 2
