"""IAX2 phones on the real Asterisk, a second one as the phone, without the firewall."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.iax_phone import IaxPhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ
from peers.realtime import iax
from peers.realtime.facts import AccountFacts, PeerFacts, Snapshot
from tests.asterisk.conftest import LONDON, NODE, PASSWORD, PHONE_TONE_HZ, Bench, snapshot

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
