"""What a peer's options do on the real Asterisk."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ
from peers.realtime.actions import list_contacts
from peers.realtime.ami import AmiClient
from peers.realtime.contacts import Contact
from peers.realtime.facts import Connecting, PeerFacts
from tests.asterisk.conftest import LONDON, PASSWORD, PHONE_TONE_HZ, REALM, Bench, peer, snapshot

Phones = Callable[..., PjsuaPhone]


def test_a_peer_with_sha_256_is_asked_for_nothing_else_and_takes_calls(
    bench: Bench, phones: Phones
) -> None:
    sha256 = hashlib.sha256(f"alice:{REALM}:{PASSWORD}".encode()).hexdigest()
    bench.apply(snapshot(peers=(PeerFacts("peer_1", "alice", digest_ha1_sha256=sha256),)))
    phone = phones("alice")
    log = (phone.folder / "pjsua.log").read_text()
    assert ("algorithm=SHA-256" in log, "algorithm=MD5" in log) == (True, False)
    call = bench.vendor().call_with_audio(LONDON, phone)
    assert (call.state.status, call.vendor_heard.hz) == (200, PHONE_TONE_HZ)


def test_a_peer_with_md5_is_not_asked_for_sha_256(bench: Bench, phones: Phones) -> None:
    log = (phones("alice").folder / "pjsua.log").read_text()
    assert ("algorithm=MD5" in log, "SHA-256" in log) == (True, False)


def test_registration_times_are_kept_to(bench: Bench, phones: Phones) -> None:
    asleep = Connecting(qualify=0, expires=(120, 600, 604_800))
    bench.apply(snapshot(peers=(peer(connecting=asleep),)))
    phone = phones("alice", register=False)
    given = []
    for asked in (30, 700_000):
        assert phone.register("alice", PASSWORD, SERVER, expires=asked).registered
        with bench.pbx.client() as client:
            (contact,) = _contacts_of_alice(client)
        given.append(contact.expires - time.time())
    assert [
        abs(left - wanted) < 15 for left, wanted in zip(given, (120, 604_800), strict=True)
    ] == [
        True,
        True,
    ], given


def _contacts_of_alice(client: AmiClient) -> list[Contact]:
    """Wait for hers alone: one of another test may be listed until its end is noticed."""

    def found() -> list[Contact]:
        return [one for one in list_contacts(client) if one.aor == "alice"]

    wait_until(lambda: len(found()) == 1, 15, "its contact", lambda: list_contacts(client))
    return found()


def test_a_phone_without_nat_is_reached_too(bench: Bench, phones: Phones) -> None:
    bench.apply(snapshot(peers=(peer(connecting=Connecting(behind_nat=False)),)))
    phone = phones("alice", namespace="attacker", address="203.0.113.66")
    call = bench.vendor().call_with_audio(LONDON, phone)
    assert (call.state.status, call.vendor_heard.hz) == (200, PHONE_TONE_HZ)


def test_g722_is_turned_into_the_telephone_networks_codec(bench: Bench, phones: Phones) -> None:
    bench.apply(snapshot(peers=(peer(codecs=("opus", "g722")),)))
    phone = phones("alice")
    call = bench.vendor().call_with_audio(LONDON, phone)
    heard = (call.state.status, call.vendor_heard.hz, call.phone_heard.hz)
    assert heard == (200, PHONE_TONE_HZ, VENDOR_TONE_HZ)


def test_opus_is_turned_into_the_telephone_networks_codec(bench: Bench, tmp_path: Path) -> None:
    bench.apply(snapshot(peers=(peer(codecs=("opus",)),)))
    with (
        LinphonePhone(bench.world.ns["phone"], tmp_path / "l") as phone,
        PjsuaPhone(
            bench.world.ns["vendor"], tmp_path / "v", address=FIRST, port=5060,
            tone_hz=VENDOR_TONE_HZ,
        ) as vendor,
    ):  # fmt: skip
        assert phone.register("alice", PASSWORD, SERVER)
        vendor.identify("+441632960000", FIRST)
        assert vendor.call(f"sip:{LONDON}@{SERVER}").status == 200
        phone.play()
        assert vendor.heard(2.0).hz == 700
