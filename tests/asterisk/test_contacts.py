"""Contacts that must vanish: removed by AMI, and shown by real packets that none follow."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.sniff import Sniffer
from peers.realtime.actions import RemoveContacts, list_contacts, remove_contacts
from peers.realtime.events import login
from tests.asterisk.conftest import LONDON, Bench, peer, snapshot

Phones = Callable[..., PjsuaPhone]
#: Asterisk spreads the first OPTIONS after its start over this time (pjsip.conf).
MAX_FIRST_QUALIFY = 4.5
AGENT = "Pixel/9 ddi-abcdefgh-abcdefghijklmnopqrstuvwxyz"


def list_contacts_of(bench: Bench) -> list[str]:
    with bench.pbx.client() as client:
        return [found.aor for found in list_contacts(client)]


def _qualify_every_second(bench: Bench) -> None:
    with sqlite3.connect(bench.folder / "realtime.sqlite3") as connection:
        connection.execute("UPDATE ps_aors SET qualify_frequency = '1' WHERE id = 'alice'")


def test_a_contact_is_read_with_its_address_user_agent_and_round_trip(
    bench: Bench, phones: Phones
) -> None:
    phones("alice", user_agent=AGENT)
    time.sleep(MAX_FIRST_QUALIFY)
    with bench.pbx.client() as client:
        (found,) = list_contacts(client)
    assert (found.aor, found.user_agent, found.via_address) == ("alice", AGENT, "10.77.0.2")
    assert found.uri.startswith("sip:alice@203.0.113.30:")
    assert (found.status, found.rtt_usec is not None) == ("Reachable", True)
    assert 60 < found.expires - time.time() < 130


def test_a_removed_contact_gets_no_call_and_no_options(
    bench: Bench, phones: Phones, tmp_path: Path
) -> None:
    _qualify_every_second(bench)
    phone = phones("alice")
    with Sniffer(bench.world.ns["srv"], tmp_path) as wire:
        wait_until(lambda: wire.count("OPTIONS sip:alice@") >= 2, 8, "the phone is asked")
        with bench.pbx.client() as client:
            begun = time.monotonic()
            removed = remove_contacts(client, "alice")
            took = time.monotonic() - begun
        # An OPTIONS that was on its way is sent again for up to 3 s (qualify_timeout).
        time.sleep(4)
        before = wire.count("sip:alice@")
        call = bench.vendor().call(LONDON)
        time.sleep(3)
        assert wire.count("sip:alice@") == before
    assert (len(removed), call.status, list_contacts_of(bench)) == (1, 480, [])
    assert phone.state().incoming == ()
    assert took < 3


def test_a_removed_contact_can_come_back_if_its_peer_may(bench: Bench, phone: PjsuaPhone) -> None:
    with bench.pbx.client() as client:
        remove_contacts(client, "alice")
    assert phone.reregister().registered
    assert bench.vendor().call(LONDON).status == 200


def test_only_the_contact_that_shows_the_token_is_removed(bench: Bench, phones: Phones) -> None:
    phones("alice", user_agent=AGENT)
    with bench.pbx.client() as client:
        other = remove_contacts(client, "alice", user_agent_contains="ddi-zzzzzzzz-")
        there = list_contacts_of(bench)
        mine = remove_contacts(client, "alice", user_agent_contains="ddi-abcdefgh-")
    assert (other, there, len(mine), list_contacts_of(bench)) == ((), ["alice"], 1, [])


def test_a_deleted_peers_contact_vanishes_with_its_rows(bench: Bench, phone: PjsuaPhone) -> None:
    change = bench.apply(snapshot(peers=(), steps=()))
    assert change.actions == (RemoveContacts("alice"),)
    time.sleep(1.5)
    with bench.pbx.client() as client:
        left = client.action("DBGetTree", Family="registrar/contact")
    assert [message for message in left if message.event == "DBGetTreeResponse"] == []
    assert phone.reregister().code == 401


def test_a_disabled_peer_can_neither_ring_nor_register(bench: Bench, phone: PjsuaPhone) -> None:
    bench.apply(snapshot(peers=(peer(enabled=False),)))
    assert bench.vendor().call(LONDON).status == 480
    assert phone.reregister().code == 401


def test_a_longest_user_agent_does_not_stop_the_removal(bench: Bench, phones: Phones) -> None:
    phones("alice", user_agent="x" * 900)
    with bench.pbx.client() as client:
        assert len(remove_contacts(client, "alice")) == 1


def test_what_asterisk_stores_of_a_contact_is_json_with_an_expiry(
    bench: Bench, phone: PjsuaPhone
) -> None:
    """remove_contacts relies on it: a new Asterisk that stores it otherwise is noticed here."""
    with bench.pbx.client() as client:
        (found,) = (
            message
            for message in client.action("DBGetTree", Family="registrar/contact")
            if message.event == "DBGetTreeResponse"
        )
    value = json.loads(found.get("Val"))
    assert {"uri", "expiration_time", "endpoint", "user_agent"} <= set(value)


def test_a_phone_that_registers_is_an_event(bench: Bench, phones: Phones) -> None:
    with bench.pbx.client(events=True) as client:
        phones("alice")
        seen = None
        while seen is None:
            event = client.next_event(5)
            assert event is not None
            seen = login(event)
    assert (seen.account, seen.address) == ("alice", "203.0.113.30")
