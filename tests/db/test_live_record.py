"""What the watch stores of contacts and calls, in names that the panel looks for."""

from datetime import UTC, datetime

import pytest

from ddiweb.live import record
from ddiweb.live.models import Call, Contact
from peers import phones, services
from peers.choices import TokenState
from peers.models import Peer
from peers.realtime.cdr import CallRecord
from peers.realtime.contacts import Contact as Seen
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(factories.node())
    services.peer_created(made)
    return made


def seen(peer: Peer, user_agent: str = "Linphone", uri: str = "") -> Seen:
    uri = uri or f"sip:{peer.username}@198.51.100.7:40000;ob"
    return Seen(
        peer.username, "key", uri, user_agent, "10.0.0.2", "Reachable", 41_000, 2_000_000_000
    )


def test_a_registered_phone_is_shown_as_registered_on_its_page(peer: Peer) -> None:
    record.contacts(peer.node, [seen(peer)])
    assert phones.status(peer).contacts[0].address == "198.51.100.7:40000"


def test_a_contact_is_stored_under_the_peers_key_and_goes_when_it_is_gone(peer: Peer) -> None:
    record.contacts(peer.node, [seen(peer)])
    assert Contact.objects.get().endpoint == peer.key
    record.contacts(peer.node, [])
    assert not Contact.objects.exists()


def test_a_token_in_the_user_agent_makes_it_current_and_is_redacted(peer: Peer) -> None:
    token = peer.tokens.get()
    assert record.contacts(peer.node, [seen(peer, f"Linphone {token.value}")]) == 1
    token.refresh_from_db()
    assert token.state == TokenState.CURRENT
    assert token.value not in Contact.objects.get().user_agent


def test_a_token_in_the_contact_counts_as_seen_too(peer: Peer) -> None:
    token = peer.tokens.get()
    uri = f"sip:a@198.51.100.7;x-ddi={token.value}"
    assert record.contacts(peer.node, [seen(peer, uri=uri)]) == 1
    assert token.value not in Contact.objects.get().uri


def test_a_token_of_another_peer_proves_nothing(peer: Peer) -> None:
    other = factories.peer(peer.node)
    services.peer_created(other)
    assert record.contacts(peer.node, [seen(peer, other.tokens.get().value)]) == 0


def test_a_users_agent_with_control_characters_is_stored_without_them(peer: Peer) -> None:
    record.contacts(peer.node, [seen(peer, "x\r\nAction: Command\0\x1b[31m")])
    assert Contact.objects.get().user_agent == "xAction: Command[31m"


def test_a_call_names_the_peer_by_its_key_and_is_stored_once(peer: Peer) -> None:
    now = datetime.now(UTC)
    call = CallRecord(
        "1.1", 0, now, now, now, "+441632960555", "442079460123", "trunk_1", "trunk_1",
        peer.username, "ANSWERED", 3, 2,
    )  # fmt: skip
    record.call(peer.node, call)
    record.call(peer.node, call)
    assert Call.objects.get().peer == peer.key
