"""Calls of a vendor to a DDI, on the real Asterisk, without the firewall."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.phones import PjsuaPhone
from lab.vendor import SECOND, VENDOR_TONE_HZ
from peers.realtime import trunk_rows
from peers.realtime.facts import StepFacts, TrunkFacts
from peers.realtime.outgoing import OutgoingFacts, TollFacts
from tests.asterisk.conftest import LONDON, PARIS, PHONE_TONE_HZ, Bench, peer, ring, snapshot

Phones = Callable[..., PjsuaPhone]


def test_a_call_to_a_ddi_rings_the_phone_behind_nat_and_audio_passes_both_ways(
    bench: Bench, phone: PjsuaPhone
) -> None:
    call = bench.vendor().call_with_audio(LONDON, phone)
    assert (call.state.status, call.vendor_heard.hz, call.phone_heard.hz) == (
        200,
        PHONE_TONE_HZ,
        VENDOR_TONE_HZ,
    )


def test_the_phone_is_told_the_caller_and_the_ddi(bench: Bench, phone: PjsuaPhone) -> None:
    bench.vendor().call(f"+{LONDON}", "+441632960111")
    seen = phone.wait_for_call()
    assert (seen.header("X-DDI"), "sip:+441632960111@" in seen.header("From")) == (LONDON, True)


def test_a_ddi_is_found_with_plus_without_and_with_00(bench: Bench, phone: PjsuaPhone) -> None:
    calls = [bench.vendor().call(prefix + LONDON).status for prefix in ("+", "", "00")]
    assert calls == [200, 200, 200]


def test_a_national_number_is_found_with_the_trunks_country(
    bench: Bench, phone: PjsuaPhone
) -> None:
    trunk = TrunkFacts("trunk_1", ("203.0.113.20/32",), country="44")
    other = TrunkFacts("trunk_2", ("203.0.113.21/32",))
    bench.apply(snapshot(trunks=(trunk, other)))
    assert bench.vendor().call("02079460123").status == 200


def test_a_vendor_that_puts_the_ddi_into_to_is_understood(bench: Bench, phone: PjsuaPhone) -> None:
    trunk = TrunkFacts("trunk_1", ("203.0.113.20/32",), did_header="to")
    other = TrunkFacts("trunk_2", ("203.0.113.21/32",))
    bench.apply(snapshot(trunks=(trunk, other)))
    known = bench.vendor().call("ddi", to=f"+{LONDON}").status
    unknown = bench.vendor().call("ddi", to="+442079460199").status
    assert (known, unknown) == (200, 404)


def test_an_unknown_ddi_is_404(bench: Bench, phone: PjsuaPhone) -> None:
    wanted = ["442079460199", LONDON[:-1], f"{LONDON}9", "0", "s", "h", "t", "i", "ddi", "alice"]
    assert [bench.vendor().call(ddi).status for ddi in wanted] == [404] * len(wanted)


def test_a_ddi_of_another_trunk_is_refused(bench: Bench, phone: PjsuaPhone) -> None:
    assert bench.vendor().call(PARIS).status == 404
    assert bench.vendor(SECOND).call(LONDON).status == 404
    assert phone.state().incoming == ()


def test_a_changed_route_is_in_force_at_the_next_call_without_a_reload(
    bench: Bench, phone: PjsuaPhone
) -> None:
    assert bench.vendor().call(LONDON).status == 200
    change = bench.apply(snapshot(steps=(StepFacts(1, "reject", cause="busy"),)))
    assert (bench.vendor().call(LONDON).status, change.actions) == (486, ())


def test_each_reject_has_its_status(bench: Bench) -> None:
    seen = []
    for cause in ("busy", "unavailable", "not_found"):
        bench.apply(snapshot(steps=(StepFacts(1, "reject", cause=cause),)))
        seen.append(bench.vendor().call(LONDON).status)
    assert seen == [486, 480, 404]


def test_a_number_without_steps_ends_with_480(bench: Bench) -> None:
    bench.apply(snapshot(steps=()))
    assert bench.vendor().call(LONDON).status == 480


def test_an_absent_phone_costs_the_caller_nothing(bench: Bench) -> None:
    begun = time.monotonic()
    assert bench.vendor().call(LONDON).status == 480
    assert time.monotonic() - begun < 1.5


def test_a_busy_phone_gives_the_call_to_the_next_step(bench: Bench, phones: Phones) -> None:
    both = (peer(), peer("bob", "peer_2"))
    bench.apply(snapshot(peers=both, steps=(ring("peer_1"), ring("peer_2", position=7))))
    alice, bob = phones("alice"), phones("bob")
    alice.answer_with(486)
    assert bench.vendor().call(LONDON).status == 200
    assert len(bob.state().incoming) == 1


def test_a_busy_phone_alone_is_486(bench: Bench, phone: PjsuaPhone) -> None:
    phone.answer_with(486)
    assert bench.vendor().call(LONDON).status == 486


def test_nobody_answers_in_time_and_the_next_step_takes_over(
    bench: Bench, phone: PjsuaPhone
) -> None:
    steps = (ring(timeout=1), StepFacts(2, "reject", cause="busy"))
    bench.apply(snapshot(steps=steps))
    phone.answer_with(180)
    call = bench.vendor().call(LONDON)
    assert (call.rang, call.status) == (True, 486)


def test_two_phones_ring_at_once_and_one_answers(bench: Bench, phones: Phones) -> None:
    both = (peer(), peer("bob", "peer_2"))
    bench.apply(snapshot(peers=both, steps=(ring("peer_1", "peer_2"),)))
    alice, bob = phones("alice"), phones("bob")
    alice.answer_with(180)
    assert bench.vendor().call(LONDON).status == 200
    assert (len(alice.state().incoming), len(bob.state().incoming)) == (1, 1)


def test_the_trunks_channel_limit_is_a_hard_stop(bench: Bench, phone: PjsuaPhone) -> None:
    trunk = TrunkFacts("trunk_1", ("203.0.113.20/32",), channels_max=1)
    other = TrunkFacts("trunk_2", ("203.0.113.21/32",))
    bench.apply(snapshot(trunks=(trunk, other)))
    phone.answer_with(180)
    with PjsuaPhone(
        bench.world.ns["vendor"], bench.folder / "first", address="203.0.113.20", port=5070
    ) as first:
        first.identify("1", "203.0.113.20")
        first.call(f"sip:{LONDON}@203.0.113.10", wait=0.5)
        assert bench.vendor().call(LONDON).status == 486


@pytest.mark.parametrize(
    ("told", "rings"), [(None, 1), (1, 1), (0, 2)], ids=["nowhere", "one", "no cap"]
)
def test_a_cap_that_an_earlier_version_wrote_nowhere_is_that_of_outgoing_calls_or_one(
    bench: Bench, phone: PjsuaPhone, monkeypatch: pytest.MonkeyPatch, told: int | None, rings: int
) -> None:
    whole = trunk_rows._inbound
    monkeypatch.setattr(trunk_rows, "_inbound", lambda *facts: whole(*facts)[:7])
    tolls = () if told is None else (TollFacts("trunk_1", channels=told),)
    bench.apply(replace(snapshot(), outgoing=OutgoingFacts(tolls=tolls)))
    phone.answer_with(180)
    with PjsuaPhone(
        bench.world.ns["vendor"], bench.folder / f"first{told}", address="203.0.113.20", port=5070
    ) as first:
        first.identify("1", "203.0.113.20")
        first.call(f"sip:{LONDON}@203.0.113.10", wait=0.5)
        assert len(phone.state().incoming) == 1
        bench.vendor().call(LONDON)
        assert len(phone.state().incoming) == rings


def test_a_phone_may_not_place_calls(bench: Bench, phone: PjsuaPhone) -> None:
    statuses = [
        phone.call(f"sip:{user}@203.0.113.10").status
        for user in (LONDON, "+441632960000", "alice", "ddi", "trunk_1")
    ]
    assert statuses == [403] * 5


def test_the_call_record_names_trunk_number_and_phone(bench: Bench, phone: PjsuaPhone) -> None:
    bench.vendor().call(f"+{LONDON}", "+441632960777", hold_ms=1200)
    (record,) = bench.records("+441632960777")
    assert (record.trunk, record.number, record.source, record.destination) == (
        "trunk_1",
        LONDON,
        "trunk_1",
        "alice",
    )
    assert record.disposition == "ANSWERED"
    assert abs(record.started_at.timestamp() - time.time()) < 20
    assert 1 <= record.billed_seconds <= 3
