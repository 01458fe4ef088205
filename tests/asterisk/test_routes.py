"""Blocks of numbers, phones in turn and the end of a route, by calls on the real Asterisk."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.phones import PjsuaPhone
from lab.tone import Heard
from lab.vendor import FIRST, SECOND, SERVER, VENDOR_TONE_HZ
from peers.realtime.callers import CallerNameFacts
from peers.realtime.facts import NumberFacts, PersonFacts, StepFacts
from peers.sounds.convert import convert
from peers.sounds.files import SoundFolder
from tests.asterisk.conftest import LONDON, Bench, peer, ring, snapshot

Phones = Callable[..., PjsuaPhone]
BLOCK = NumberFacts(
    "442079460105", "trunk_1", "Block", (StepFacts(1, "reject", cause="busy"),), last="442079460131"
)
OWN = NumberFacts("442079460110", "trunk_1", "Own", (StepFacts(1, "reject"),))


def test_a_block_has_its_numbers_and_no_others_and_a_number_within_goes_first(
    bench: Bench,
) -> None:
    bench.apply(replace(snapshot(), numbers=(BLOCK, OWN)))
    called = {
        "442079460104": 404, "442079460105": 486, "442079460109": 486, "442079460110": 480,
        "442079460111": 486, "442079460131": 486, "442079460132": 404, "44207946011": 404,
        "4420794601100": 404,
    }  # fmt: skip
    assert {ddi: bench.vendor().call(ddi).status for ddi in called} == called


def test_a_block_is_its_trunks_alone(bench: Bench) -> None:
    bench.apply(replace(snapshot(), numbers=(BLOCK,)))
    assert bench.vendor(SECOND).call("442079460120").status == 404


def test_the_phone_is_told_which_number_of_a_block_was_called(
    bench: Bench, phone: PjsuaPhone
) -> None:
    bench.apply(replace(snapshot(), numbers=(replace(BLOCK, steps=(ring(),)),)))
    bench.vendor().call("+442079460120")
    assert phone.wait_for_call().header("X-DDI") == "442079460120"


def test_phones_ring_one_after_the_other_and_an_absent_one_is_passed_over(
    bench: Bench, phones: Phones
) -> None:
    people = (peer(), peer("carol", "peer_3"), peer("bob", "peer_2"))
    keys = ("peer_1", "peer_3", "peer_2")
    step = StepFacts(1, "ring", keys, in_turn=True, seconds=(2, 60, 20))
    bench.apply(snapshot(peers=people, steps=(step,)))
    alice, bob = phones("alice"), phones("bob")
    alice.answer_with(180)
    call = bench.vendor().call_with_audio(LONDON, bob)
    assert (call.state.status, call.vendor_heard.hz, len(alice.state().incoming)) == (200, 600, 1)


@pytest.mark.parametrize(
    ("final", "status"), [("busy", 486), ("unavailable", 480), ("not_found", 404), ("auto", 486)]
)
def test_after_the_last_step_the_caller_is_told_what_the_number_says(
    bench: Bench, phone: PjsuaPhone, final: str, status: int
) -> None:
    phone.answer_with(486)
    number = NumberFacts(LONDON, "trunk_1", "London", (ring(),), final=final)  # type: ignore[arg-type]
    bench.apply(replace(snapshot(), numbers=(number,)))
    assert bench.vendor().call(LONDON).status == status


def test_for_callers_without_a_number_no_phone_rings_if_the_number_says_so(
    bench: Bench, phone: PjsuaPhone
) -> None:
    steps = (ring(), StepFacts(2, "reject", cause="busy"))
    number = NumberFacts(LONDON, "trunk_1", "London", steps, anonymous="message")
    bench.apply(replace(snapshot(), numbers=(number,)))
    seen = [bench.vendor().call(LONDON, who).status for who in ("anonymous", "+441632960111")]
    assert (seen, len(phone.state().incoming)) == ([486, 200], 1)


def test_the_label_can_stand_before_the_callers_name_or_number(
    bench: Bench, phone: PjsuaPhone
) -> None:
    number = NumberFacts(LONDON, "trunk_1", "London", (ring(),), show="prefix")
    bench.apply(replace(snapshot(), numbers=(number,)))
    bench.vendor().call(LONDON, "+441632960111", display='"Ada ${SHELL(id)} (a, b)"')
    bench.vendor().call(LONDON, "+441632960111")
    seen = [one.header("From").partition("<")[0] for one in phone.state().incoming]
    assert seen == ['"London: Ada ${SHELL(id)} (a, b)" ', '"London: +441632960111" ']


def test_a_person_with_two_phones_is_rung_on_both_and_the_first_to_answer_gets_the_call(
    bench: Bench, phones: Phones
) -> None:
    people = (PersonFacts("person_1", ("peer_1", "peer_2")),)
    number = NumberFacts(LONDON, "trunk_1", "London", (ring("person_1"),))
    both = (peer(), peer("bob", "peer_2"))
    bench.apply(replace(snapshot(peers=both), numbers=(number,), persons=people))
    slow, fast = phones("alice"), phones("bob")
    slow.answer_with(180)
    with PjsuaPhone(
        bench.world.ns["vendor"], bench.folder / "caller", tone_hz=VENDOR_TONE_HZ, address=FIRST,
        port=5060,
    ) as caller:  # fmt: skip
        caller.identify("+441632960111", FIRST)
        assert caller.call(f"sip:{LONDON}@{SERVER}").status == 200
        assert fast.heard(0.8).hz == VENDOR_TONE_HZ
    assert slow.wait_for_call().caller  # it rang, too
    call = slow.state().call
    assert call is not None
    assert (call.answered, call.ended) == (False, True)


def test_a_person_of_whom_no_phone_is_there_is_passed_over_at_once(bench: Bench) -> None:
    steps = (ring("person_1"), StepFacts(2, "reject", cause="busy"))
    people = (PersonFacts("person_1", ("peer_1",)), PersonFacts("person_2"))
    bench.apply(replace(snapshot(steps=steps), persons=people))
    assert bench.vendor().call(LONDON).status == 486


def announcement(bench: Bench) -> str:
    """An uploaded MP3 of 700 Hz, as the worker delivers it; the key of its file."""
    wav = convert((Path(__file__).parents[1] / "db" / "tone700.mp3").read_bytes()).wav
    key = f"sound_1-{hashlib.sha256(wav).hexdigest()[:16]}"
    SoundFolder(bench.pbx.plan.sounds).write(key, wav)
    return key


def listen(bench: Bench, seconds: float) -> tuple[int, Heard]:
    """Call London as the vendor; the status and what was heard."""
    with PjsuaPhone(
        bench.world.ns["vendor"], bench.folder / "ear", address=FIRST, port=5060
    ) as ear:
        ear.identify("+441632960111", FIRST)
        state = ear.call(f"sip:{LONDON}@{SERVER}")
        return state.status, ear.heard(seconds)


def test_an_uploaded_announcement_is_heard(bench: Bench) -> None:
    steps = (StepFacts(1, "announce", sound=announcement(bench)), StepFacts(2, "reject"))
    bench.apply(snapshot(steps=steps))
    status, heard = listen(bench, 0.8)
    assert (status, heard.hz) == (200, 700)


def test_an_announcement_whose_file_is_gone_ends_the_call_by_the_next_step(bench: Bench) -> None:
    bench.apply(snapshot(steps=(StepFacts(1, "announce", sound="sound_9-" + "0" * 16),)))
    assert bench.vendor().call(LONDON, hold_ms=2000).status == 200


def test_a_caller_of_the_directory_is_shown_by_name_however_the_vendor_writes_the_number(
    bench: Bench, phone: PjsuaPhone
) -> None:
    number = NumberFacts(LONDON, "trunk_1", "London", (ring(),), show="prefix")
    names = (CallerNameFacts("441632960111", "Ada Lovelace"),)
    bench.apply(replace(snapshot(), numbers=(number,), names=names))
    for who in ("+441632960111", "00441632960111", "+441632960112"):
        bench.vendor().call(LONDON, who, display='"Vendor says"')
    seen = [one.header("From").partition("<")[0] for one in phone.state().incoming]
    assert seen == ['"London: Ada Lovelace" '] * 2 + ['"London: Vendor says" ']
