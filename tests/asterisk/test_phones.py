"""Other phones, other networks: liblinphone, IPv6, a phone that moves, a vendor that is watched."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import SERVER, VENDOR_TONE_HZ, Vendor
from peers.realtime.actions import Reload, list_contacts
from peers.realtime.endpoints import endpoints
from peers.realtime.facts import ServerFacts, TrunkFacts
from tests.asterisk.conftest import LONDON, PASSWORD, PHONE_TONE_HZ, Bench, snapshot

LINPHONE_TONE_HZ = 700
VENDOR_V6 = "2001:db8:113::20"
SERVER_V6 = "2001:db8:113::10"
TRUNK = TrunkFacts("trunk_1", ("203.0.113.20/32", f"{VENDOR_V6}/128"))
OTHER = TrunkFacts("trunk_2", ("203.0.113.21/32",))


def test_a_linphone_behind_nat_answers_and_is_heard(bench: Bench, tmp_path: Path) -> None:
    agent = "Linphone/6 ddi-abcdefgh-abcdefghijklmnopqrstuvwxyz"
    vendor = PjsuaPhone(bench.world.ns["vendor"], tmp_path / "v", address="203.0.113.20", port=5060)
    with LinphonePhone(bench.world.ns["phone"], tmp_path / "l", user_agent=agent) as phone, vendor:
        assert phone.register("alice", PASSWORD, SERVER)
        with bench.pbx.client() as client:
            (contact,) = list_contacts(client)
        vendor.identify("+441632960000", "203.0.113.20")
        assert vendor.call(f"sip:{LONDON}@{SERVER}").status == 200
        phone.play()
        heard = vendor.heard(2.0)
    assert (contact.user_agent, heard.hz) == (agent, LINPHONE_TONE_HZ)


def test_a_vendor_on_ipv6_reaches_a_phone_on_ipv4(bench: Bench, phone: PjsuaPhone) -> None:
    bench.apply(snapshot(trunks=(TRUNK, OTHER)))
    vendor = Vendor(bench.world.ns["vendor"], bench.folder / "v6", VENDOR_V6, SERVER_V6)
    assert (vendor.call(LONDON).status, len(phone.state().incoming)) == (200, 1)


def test_a_stranger_on_ipv6_reaches_no_dialplan(bench: Bench) -> None:
    before = bench.dialplan()
    stranger = Vendor(
        bench.world.ns["attacker"], bench.folder / "attacker", "2001:db8:113::66", SERVER_V6
    )
    assert (stranger.call(LONDON, "trunk_1").status, bench.dialplan()) == (401, before)


def test_a_phone_that_comes_back_from_another_network_replaces_its_contact(
    bench: Bench, phones: Callable[..., PjsuaPhone], tmp_path: Path
) -> None:
    phones("alice").stop()
    with PjsuaPhone(bench.world.ns["attacker"], tmp_path / "moved") as moved:
        assert moved.register("alice", PASSWORD, SERVER).registered
        with bench.pbx.client() as client:
            (contact,) = list_contacts(client)
        assert contact.uri.startswith("sip:alice@203.0.113.66:")
        assert bench.vendor().call(LONDON).status == 200


def test_a_watched_vendor_is_unreachable_and_reachable(bench: Bench, tmp_path: Path) -> None:
    watched = replace(OTHER, servers=(ServerFacts("203.0.113.21"),), qualify=True)
    change = bench.apply(snapshot(trunks=(TRUNK, watched)))
    assert change.actions == (Reload("res_pjsip.so"),)

    def reachable() -> bool:
        with bench.pbx.client() as client:
            found = {one.name: one for one in endpoints(client.action("PJSIPShowEndpoints"))}
        return found["trunk_2"].reachable

    wait_until(lambda: not reachable(), 12, "the silent vendor is unreachable")
    vendor = PjsuaPhone(bench.world.ns["vendor"], tmp_path, address="203.0.113.21", port=5060)
    with vendor:
        vendor.identify("vendor", "203.0.113.21")
        with bench.pbx.client() as client:
            client.action("PJSIPQualify", Endpoint="trunk_2")
        wait_until(reachable, 8, "the vendor is reachable")


def test_edits_and_reloads_during_a_call_leave_its_audio_alone(
    bench: Bench, phone: PjsuaPhone, tmp_path: Path
) -> None:
    vendor = PjsuaPhone(
        bench.world.ns["vendor"], tmp_path, address="203.0.113.20", port=5060, tone_hz=1000
    )
    with vendor:
        vendor.identify("+441632960000", "203.0.113.20")
        assert vendor.call(f"sip:{LONDON}@{SERVER}").answered
        watched = replace(OTHER, servers=(ServerFacts("203.0.113.21"),), qualify=True)
        bench.apply(snapshot(trunks=(TRUNK, watched), steps=()))
        with bench.pbx.client() as client:
            for module in ("res_pjsip.so", "res_pjsip_outbound_registration.so"):
                Reload(module).perform(client)
        time.sleep(0.5)
        vendor.heard(0.1), phone.heard(0.1)  # what came before the edits is forgotten
        heard = (vendor.heard(1.0).hz, phone.heard(1.0).hz)
        assert heard == (PHONE_TONE_HZ, VENDOR_TONE_HZ)
