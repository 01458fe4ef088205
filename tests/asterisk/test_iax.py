"""IAX2 phones on the real Asterisk, a second one as the phone, without the firewall."""

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.iax_phone import IaxPhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ
from peers.realtime import iax
from peers.realtime.facts import AccountFacts, PeerFacts, Snapshot
from peers.realtime.outgoing import Caps
from tests.asterisk.conftest import LONDON, NODE, PASSWORD, PHONE_TONE_HZ, Bench, peer, snapshot
from tests.asterisk.outside import ALLOWED, allow, taking
from tests.scale import FULL

TOKEN = f"ddi-abcdefgh-{'k' * 26}"


@pytest.fixture
def iax_bench(bench: Bench) -> Iterator[Bench]:
    account = AccountFacts(TOKEN, iax_secret=PASSWORD)
    bench.apply(snapshot(peers=(PeerFacts("peer_1", "alice", token_accounts=(account,)),)))
    yield bench


def phone(bench: Bench, folder: Path, user: str = TOKEN, password: str = PASSWORD) -> IaxPhone:
    return IaxPhone(
        bench.world.ns["phone"], folder / "iax", user=user, password=password, server=SERVER,
        tone_hz=PHONE_TONE_HZ,
    )  # fmt: skip


def test_a_call_reaches_an_iax2_phone_behind_nat_and_both_hear_each_other(
    iax_bench: Bench, tmp_path: Path
) -> None:
    with (
        phone(iax_bench, tmp_path) as there,
        PjsuaPhone(
            iax_bench.world.ns["vendor"], tmp_path / "v", address=FIRST, port=5060,
            tone_hz=VENDOR_TONE_HZ,
        ) as vendor,
    ):  # fmt: skip
        assert there.registered(), there.state()
        vendor.identify("+441632960000", FIRST)
        assert vendor.call(f"sip:{LONDON}@{SERVER}").status == 200
        assert vendor.heard(2.0).hz == PHONE_TONE_HZ
        assert there.heard().hz == VENDOR_TONE_HZ


@pytest.mark.skipif(not FULL, reason="takes two minutes: DDIWEB_TEST_SCALE=full")
@pytest.mark.timeout(300)
def test_a_phone_that_registers_in_time_is_never_away(iax_bench: Bench, tmp_path: Path) -> None:
    """Two timers of earlier registrations end meanwhile, after 70 s and 120 s (iax_expiry)."""
    with phone(iax_bench, tmp_path) as there:
        assert there.registered(), there.state()
        seen = set()
        for _ in range(130):
            seen |= {(place.address, place.lasts()) for place in iax_bench.store.places()}
            time.sleep(1)
        assert seen == {("203.0.113.30", True)}


def _says(bench: Bench, *kinds: str) -> list[str]:
    """What the node answers to a phone behind NAT that does this by hand."""
    argv = [sys.executable, "-m", "tests.asterisk.iax_registers", TOKEN, *kinds]
    return bench.world.run("phone", argv, input=f"{PASSWORD}\n").stdout.split()


def _written(bench: Bench, address: str, since: int) -> None:
    """Write a registration by hand, as Asterisk does."""
    with sqlite3.connect(bench.folder / "realtime.sqlite3", timeout=10) as database:
        database.execute("UPDATE ddi_iax SET ipaddr = ?, regseconds = ?", (address, str(since)))


def test_a_look_at_an_old_registration_leaves_the_row_to_the_next_one(iax_bench: Bench) -> None:
    """It wrote "never registered", which came after the registration if a packet came twice."""
    _written(iax_bench, "203.0.113.30", 1000)
    with iax_bench.pbx.client() as client:
        looked = client.action("Getvar", Variable=f"IAXPEER({TOKEN},ip)")[0]
    assert looked.get("Value") == "203.0.113.30"
    assert [place.since for place in iax_bench.store.places()] == [1000]


def test_a_phone_whose_request_came_thrice_is_where_it_registered(iax_bench: Bench) -> None:
    for _ in range(20 if FULL else 3):
        _written(iax_bench, "203.0.113.30", 1000)
        assert _says(iax_bench, "again") == ["taken"]
        assert [place.lasts() for place in iax_bench.store.places()] == [True]


def test_a_phone_that_takes_its_leave_is_away_at_once(iax_bench: Bench) -> None:
    assert _says(iax_bench, "register", "leave") == ["taken", "taken"]
    assert iax_bench.store.places() == ()
    assert iax_bench.vendor().call(LONDON).status == 480


@pytest.mark.parametrize(
    ("ago", "rings"), [(50, True), (62, False)], ids=["within a minute", "longer ago"]
)
def test_a_phone_is_rung_for_a_minute_after_it_registered(
    iax_bench: Bench, ago: int, rings: bool
) -> None:
    before = len(iax_bench.dialplan())
    _written(iax_bench, "203.0.113.30", int(time.time()) - ago)
    iax_bench.vendor().call(LONDON)
    assert (f'"IAX2/{TOKEN},' in iax_bench.dialplan()[before:]) is rings


@pytest.mark.parametrize(
    ("user", "password"), [(TOKEN, "wrong-password-1"), ("nobody", PASSWORD), ("guest", PASSWORD)]
)
def test_who_can_not_prove_his_password_is_refused(
    iax_bench: Bench, tmp_path: Path, user: str, password: str
) -> None:
    with phone(iax_bench, tmp_path, user, password) as there:
        assert not there.registered(3.0)


def test_the_module_is_there_only_while_a_phone_uses_it(bench: Bench, iax_bench: Bench) -> None:
    def loaded() -> bool:
        with bench.pbx.client() as client:
            return iax.is_loaded(client)

    assert loaded()
    bench.apply(Snapshot(NODE))
    wait_until(lambda: not loaded(), 5, "the module is gone")


def test_an_iax2_phone_calls_by_its_policy_and_caps_whatever_context_it_asks_for(
    bench: Bench, tmp_path: Path
) -> None:
    account = AccountFacts(TOKEN, iax_secret=PASSWORD)
    nina = PeerFacts("peer_9", "nina", token_accounts=(account,))
    caps = Caps(calls=9, calls_a_minute=2, seconds_a_day=36_000)
    # A peer of its own: earlier tests' calls do not count.
    allow(bench, peers=(peer(), nina), caller="peer_9", caps=caps)
    with taking(bench) as vendor, phone(bench, tmp_path) as there:
        assert there.registered(), there.state()
        for context in ("outgoing", "to-trunk", "from-trunk", "emergency", "ddi"):
            there.dial(f"+{ALLOWED}", context)
        there.dial("+449098790000")
        for _ in range(4):
            there.dial(f"+{ALLOWED}")
        wait_until(lambda: len(vendor.dialled) >= 2, 10, "it calls")
        time.sleep(1)
        assert vendor.dialled == [f"+{ALLOWED}"] * 2


@pytest.mark.parametrize("onward", [f"+{ALLOWED[:-1]}8", "112"])
def test_an_iax2_phone_can_not_hand_the_other_end_of_its_call_over_to_a_second_number(
    bench: Bench, tmp_path: Path, onward: str
) -> None:
    """Both would go on, and be paid for, but only the second be counted."""
    account = AccountFacts(TOKEN, iax_secret=PASSWORD)
    nina = PeerFacts("peer_8", "nina", token_accounts=(account,))
    allow(bench, peers=(peer(), nina), caller="peer_8")
    with taking(bench) as vendor, phone(bench, tmp_path) as there:
        assert there.registered(), there.state()
        there.dial(f"+{ALLOWED}", hand_over=onward)
        wait_until(lambda: f"[{onward}@from-peer:" in bench.dialplan(), 10, "it hands over")
        time.sleep(1)
        assert vendor.dialled == [f"+{ALLOWED}"]
