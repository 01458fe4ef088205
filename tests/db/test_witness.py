"""Which witness of a new token may change what."""

from datetime import timedelta

import pytest
from django.conf import LazySettings

from ddiweb import clock
from ddiweb.live.models import Contact
from peers import services, witness
from peers.choices import Carrier, TokenState
from peers.models import Peer, Token
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]
NOW = clock.now
LATER = witness.OTHERS_QUIET_FOR + timedelta(seconds=1)


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(factories.node(), carrier=Carrier.CONTACT)
    services.peer_created(made)
    return made


def registers(peer: Peer, ago: timedelta = timedelta(seconds=5)) -> None:
    """Let a REGISTER of the phone succeed, which shows no token to Asterisk."""
    Contact.objects.update_or_create(
        node=peer.node,
        endpoint=peer.key,
        uri="sip:a@198.51.100.7",
        defaults={"seen_at": NOW(), "refreshed_at": NOW() - ago},
    )


def hear(peer: Peer, *counts: tuple[Token, int], after: timedelta = timedelta(0)) -> int:
    return witness.heard(peer.node, {token.mark: n for token, n in counts}, NOW() + after)


def state(token: Token) -> str:
    token.refresh_from_db()
    return token.state


def test_a_count_alone_proves_only_that_somebody_sent_the_token(peer: Peer) -> None:
    token = peer.tokens.get()
    assert hear(peer, (token, 9)) == 0
    assert (state(token), token.heard_at is not None) == (TokenState.ISSUED, True)


def test_a_count_beside_a_register_of_the_phone_makes_the_token_current(peer: Peer) -> None:
    token = peer.tokens.get()
    registers(peer)
    assert hear(peer, (token, 2)) == 1
    assert state(token) == TokenState.CURRENT


def test_a_register_long_ago_proves_nothing(peer: Peer) -> None:
    token = peer.tokens.get()
    registers(peer, ago=witness.REGISTERED_WITHIN + timedelta(seconds=1))
    assert hear(peer, (token, 2)) == 0


def test_a_thief_of_the_new_token_does_not_make_it_current_while_the_phone_uses_the_old_one(
    peer: Peer,
) -> None:
    old = peer.tokens.get()
    (new,) = services.rotate([peer])
    registers(peer)
    assert hear(peer, (old, 2), (new, 1)) == 0
    assert state(new) == TokenState.ISSUED


def test_a_phone_heard_with_the_new_token_alone_retires_the_old_one(peer: Peer) -> None:
    old = peer.tokens.get()
    registers(peer)
    hear(peer, (old, 2))
    (new,) = services.rotate([peer])
    registers(peer, ago=-LATER)
    assert hear(peer, (old, 2), (new, 2), after=LATER) == 1
    assert (state(old), state(new)) == (TokenState.RETIRING, TokenState.CURRENT)


def test_a_count_that_did_not_rise_is_no_news(peer: Peer) -> None:
    token = peer.tokens.get()
    hear(peer, (token, 2))
    registers(peer, ago=-LATER)
    assert hear(peer, (token, 2), after=LATER) == 0


def test_a_count_that_fell_began_anew_and_is_news(peer: Peer) -> None:
    token = peer.tokens.get()
    hear(peer, (token, 9))
    registers(peer, ago=-LATER)
    assert hear(peer, (token, 1), after=LATER) == 1


def test_a_revoked_token_is_not_heard(peer: Peer) -> None:
    token = peer.tokens.get()
    services.revoke([token])
    registers(peer)
    assert hear(peer, (token, 5)) == 0
    assert state(token) == TokenState.REVOKED


def rotated_and_seen(peer: Peer) -> tuple[Token, Token]:
    old = peer.tokens.get()
    services.token_seen(old, NOW() - timedelta(hours=9))
    (new,) = services.rotate([peer])
    services.token_seen(new, NOW() - timedelta(hours=8))
    services.token_seen(new, NOW() - timedelta(minutes=1))
    Token.objects.filter(pk=old.pk).update(issued_at=NOW() - timedelta(hours=10))
    return old, new


def test_a_grace_does_not_end_early_unless_the_setting_says_so(peer: Peer) -> None:
    old, _ = rotated_and_seen(peer)
    assert witness.end_quiet_graces(NOW()) == 0
    assert state(old) == TokenState.RETIRING


def test_a_grace_ends_early_when_only_the_new_token_was_used_for_long(
    peer: Peer, settings: LazySettings
) -> None:
    settings.TOKEN_RETIRE_HOURS = 4
    old, new = rotated_and_seen(peer)
    assert witness.end_quiet_graces(NOW()) == 1
    assert (state(old), state(new)) == (TokenState.REVOKED, TokenState.CURRENT)


@pytest.mark.parametrize("field", ["seen_at", "heard_at"])
def test_a_grace_goes_on_while_either_witness_knows_the_old_token(
    peer: Peer, settings: LazySettings, field: str
) -> None:
    settings.TOKEN_RETIRE_HOURS = 4
    old, _ = rotated_and_seen(peer)
    Token.objects.filter(pk=old.pk).update(**{field: NOW() - timedelta(hours=1)})
    assert witness.end_quiet_graces(NOW()) == 0


def test_a_grace_goes_on_when_the_phone_was_not_seen_lately_at_all(
    peer: Peer, settings: LazySettings
) -> None:
    settings.TOKEN_RETIRE_HOURS = 4
    _, new = rotated_and_seen(peer)
    Token.objects.filter(pk=new.pk).update(seen_at=NOW() - timedelta(hours=8))
    assert witness.end_quiet_graces(NOW()) == 0
