"""A step that forwards goes out by the outgoing policy, with its countries and its caps."""

import re
from dataclasses import replace

from lab.phones import PjsuaPhone
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ
from peers.realtime.facts import NumberFacts, StepFacts
from peers.realtime.outgoing import Caps, OutgoingFacts, TollFacts
from tests.asterisk.conftest import LONDON, Bench, ring, snapshot
from tests.asterisk.outside import ALLOWED, TRUNKS, policy, taking

CALLER = "+33142278186"


def forward(
    bench: Bench, *before: StepFacts, to: str = ALLOWED, ddi: str = LONDON, **changes: object
) -> None:
    """``ddi`` rings whoever stands before, then another number, then is busy."""
    step = StepFacts(8, "forward", forward_to=to, policy="policy_1", timeout=20)
    steps = (*before, step, StepFacts(9, "reject", cause="busy"))
    outgoing = OutgoingFacts((), (policy(**changes),), (TollFacts("trunk_1"), TollFacts("trunk_2")))
    number = NumberFacts(ddi, "trunk_1", "", steps)
    bench.apply(replace(snapshot(trunks=TRUNKS), numbers=(number,), outgoing=outgoing))


def test_nobody_answers_and_the_call_goes_on_to_another_number_with_audio(
    bench: Bench, phone: PjsuaPhone
) -> None:
    forward(bench, ring(timeout=1))
    phone.answer_with(180)
    with (
        PjsuaPhone(
            bench.world.ns["vendor"], bench.folder / "there", tone_hz=600, address=FIRST, port=5060
        ) as there,
        PjsuaPhone(
            bench.world.ns["vendor"], bench.folder / "here", tone_hz=VENDOR_TONE_HZ,
            address=FIRST, port=5070,
        ) as here,
    ):  # fmt: skip
        there.identify(f"+{ALLOWED}", FIRST)
        here.identify(CALLER, FIRST)
        assert here.call(f"sip:{LONDON}@{SERVER}", wait=12).status == 200
        heard = here.heard(1.2).hz, there.heard(0.2).hz
        message = there.state().incoming[0]
    assert heard == (600, VENDOR_TONE_HZ)
    assert re.search(rf"sip:\{CALLER}@", message.header("From"))
    assert re.search(rf"sip:\+{LONDON}@", message.header("Diversion"))


def test_a_country_that_the_policy_does_not_allow_is_not_called(bench: Bench) -> None:
    forward(bench, to="88213300000")
    with taking(bench) as there:
        assert bench.vendor().call(LONDON, source_port=5090).status == 486
        assert there.dialled == []


def test_the_caps_of_the_policy_hold_for_calls_that_are_sent_on(bench: Bench) -> None:
    # Caps count for each number by itself, and this one was not called yet.
    ddi = "442079460177"
    forward(bench, ddi=ddi, caps=Caps(calls=50, calls_a_minute=2, seconds_a_day=36_000))
    with taking(bench) as there:
        seen = [bench.vendor().call(ddi, source_port=5090).status for _ in range(4)]
    assert (seen, len(there.dialled)) == ([200, 200, 486, 486], 2)


def test_a_phone_that_rings_after_a_forward_shows_the_caller_as_before(
    bench: Bench, phone: PjsuaPhone
) -> None:
    step = StepFacts(1, "forward", forward_to=ALLOWED, policy="policy_1", timeout=20)
    outgoing = OutgoingFacts((), (policy(),), (TollFacts("trunk_1"), TollFacts("trunk_2")))
    number = NumberFacts(LONDON, "trunk_1", "Sales", (step, ring(position=2)))
    bench.apply(replace(snapshot(trunks=TRUNKS), numbers=(number,), outgoing=outgoing))
    with taking(bench, FIRST, 486):
        assert bench.vendor().call(LONDON, source_port=5090).status == 200
    message = phone.wait_for_call()
    assert "Sales" in message.header("From")
    assert not message.header("Diversion")
