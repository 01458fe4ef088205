"""Where a phone carries its token: what its accounts are called, what it is told, who is seen."""

import pytest

from ddiweb.live import record
from ddiweb.live.models import Contact
from peers import passwords, phones, services
from peers.choices import Carrier, TokenState
from peers.models import Peer
from peers.realtime import snapshot
from peers.realtime.contacts import Contact as Seen
from peers.realtime.diff import diff
from peers.realtime.render import render
from peers.realtime.rows import Rows
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(factories.node(), carrier=Carrier.USERNAME)
    services.peer_created(made)
    passwords.renew(made)
    return made


def rotate(peer: Peer) -> None:
    """Give it a new token, and the new account a password."""
    services.rotate([peer])
    passwords.renew(peer)


def rows(peer: Peer) -> Rows:
    facts, _ = snapshot.take(peer.node)
    return render(facts)


def values(peer: Peer) -> list[str]:
    return sorted(token.value for token in peer.tokens.exclude(state=TokenState.REVOKED))


def names(found: Rows, table: str) -> list[str]:
    return sorted(row.id for row in found.table(table))


@pytest.mark.parametrize("table", ["ps_endpoints", "ps_auths", "ps_aors"])
def test_each_live_token_is_an_account_of_its_own_during_a_grace(peer: Peer, table: str) -> None:
    rotate(peer)
    assert names(rows(peer), table) == values(peer)


def test_the_accounts_of_one_phone_differ_in_their_hash(
    peer: Peer,
) -> None:
    rotate(peer)
    hashes = {row.as_dict()["password_digest"] for row in rows(peer).table("ps_auths")}
    assert len(hashes) == 2


def test_a_new_token_is_no_account_before_it_was_given_a_password(peer: Peer) -> None:
    before = values(peer)
    services.rotate([peer])
    assert names(rows(peer), "ps_endpoints") == before
    assert passwords.is_due(peer)


def test_a_number_rings_every_account_of_the_phone(peer: Peer) -> None:
    rotate(peer)
    factories.number(factories.trunk(peer.node, "203.0.113.20/32"), "+442079460123", peer)
    (step,) = rows(peer).table("ddi_steps")
    assert sorted(step.as_dict()["target"].split("&")) == values(peer)


def test_a_revoked_token_takes_its_account_and_its_contact_with_it(peer: Peer) -> None:
    rotate(peer)
    before, old = rows(peer), peer.tokens.last()
    assert old
    services.revoke([old])
    change = diff(rows(peer), before)
    assert [str(action) for action in change.actions] == [f"remove contacts of {old.value}"]
    _, cuts = snapshot.take(peer.node)
    assert [(cut.username, cut.token) for cut in cuts] == [(old.value, old.value)]


def test_no_plan_shows_a_token_that_is_a_username(peer: Peer) -> None:
    shown = "\n".join(diff(rows(peer), Rows()).lines())
    assert "ps_endpoints" in shown
    assert not [value for value in values(peer) if value in shown]


def test_a_disabled_phone_has_no_account(peer: Peer) -> None:
    Peer.objects.filter(pk=peer.pk).update(enabled=False)
    assert names(rows(peer), "ps_endpoints") == []


def seen(peer: Peer, name: str) -> Seen:
    uri = f"sip:{name}@198.51.100.7:40000"
    return Seen(name, "key", uri, "Zoiper", "10.0.0.2", "Reachable", 41_000, 2_000_000_000)


def test_a_contact_under_a_token_belongs_to_its_peer_and_makes_the_token_current(
    peer: Peer,
) -> None:
    token = peer.tokens.get()
    assert record.contacts(peer.node, [seen(peer, token.value)]) == 1
    token.refresh_from_db()
    contact = Contact.objects.get()
    assert (token.state, contact.endpoint) == (TokenState.CURRENT, peer.key)
    assert token.value not in f"{contact.uri} {contact.user_agent}"


def test_a_contact_under_the_token_of_another_node_is_nobodys(peer: Peer) -> None:
    other = factories.node()
    assert record.contacts(other, [seen(peer, peer.tokens.get().value)]) == 0
    assert Contact.objects.get().endpoint != peer.key


@pytest.mark.parametrize("carrier", Carrier.values)
def test_every_carrier_says_where_the_token_is_typed(peer: Peer, carrier: str) -> None:
    peer.carrier = carrier
    token = peer.tokens.get()
    families = phones.families(phones.account(peer, token))
    assert families
    for family in families:
        assert [line for line in family.lines if token.value in line.value and line.secret]
