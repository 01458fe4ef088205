"""Who may ring a number, and what the phone shows of the call, on the real Asterisk."""

from dataclasses import replace

import pytest

from lab.phones import PjsuaPhone
from peers.realtime.callers import CallerFacts
from peers.realtime.facts import NumberFacts, TrunkFacts
from tests.asterisk.conftest import LONDON, Bench, ring, snapshot

BOB = "+441632960555"
OWN = f"trunk_1-{LONDON}"
RANG, TURNED_AWAY = 200, 403


def apply(bench: Bench, *rules: CallerFacts, country: str = "", **number: object) -> None:
    """London with these rules."""
    trunks = (
        TrunkFacts("trunk_1", ("203.0.113.20/32",), country=country),
        TrunkFacts("trunk_2", ("203.0.113.21/32",)),
    )
    london = NumberFacts(LONDON, "trunk_1", "London office", (ring(),), **number)  # type: ignore[arg-type]
    bench.apply(replace(snapshot(trunks=trunks), numbers=(london,), callers=rules))


def block(prefix: str, number: str = "") -> CallerFacts:
    return CallerFacts(prefix, False, number)


def allow(prefix: str, number: str = "") -> CallerFacts:
    return CallerFacts(prefix, True, number)


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        pytest.param((), RANG, id="without rules"),
        pytest.param((block("441632960555"),), TURNED_AWAY, id="blocked on the node"),
        pytest.param((block("44", OWN),), TURNED_AWAY, id="blocked by country on the number"),
        pytest.param((block("441632960556"),), RANG, id="another one is blocked"),
        pytest.param((block("44", "trunk_1-442079460199"),), RANG, id="blocked elsewhere"),
        pytest.param((block("44"), allow("441632")), RANG, id="allowed by a longer prefix"),
        pytest.param((allow("44"), block("441632")), TURNED_AWAY, id="blocked by a longer prefix"),
        pytest.param((block("4416"), allow("4416", OWN)), RANG, id="the number's own goes first"),
    ],
)
def test_the_longest_rule_decides_who_rings(
    bench: Bench, phone: PjsuaPhone, rules: tuple[CallerFacts, ...], status: int
) -> None:
    apply(bench, *rules)
    assert bench.vendor().call(LONDON, BOB).status == status


@pytest.mark.parametrize("spelling", ["441632960555", "00441632960555", "01632960555"])
def test_a_rule_finds_the_caller_however_the_vendor_writes_the_number(
    bench: Bench, phone: PjsuaPhone, spelling: str
) -> None:
    apply(bench, block("441632960555"), country="44")
    assert bench.vendor().call(LONDON, spelling).status == TURNED_AWAY


def test_a_number_for_listed_callers_turns_others_away(bench: Bench, phone: PjsuaPhone) -> None:
    apply(bench, allow("441632960555", OWN), listed_only=True)
    calls = [bench.vendor().call(LONDON, who).status for who in (BOB, "+33142278186", "anonymous")]
    assert calls == [RANG, TURNED_AWAY, TURNED_AWAY]


def test_anonymous_callers_ring_unless_the_number_rejects_them(
    bench: Bench, phone: PjsuaPhone
) -> None:
    seen = []
    for rejected in (False, True):
        apply(bench, anonymous="reject" if rejected else "ring")
        seen.append(bench.vendor().call(LONDON, "anonymous").status)
    assert seen == [RANG, TURNED_AWAY]


def test_the_phone_shows_the_label_of_the_number_beside_the_callers_number(
    bench: Bench, phone: PjsuaPhone
) -> None:
    apply(bench)
    bench.vendor().call(LONDON, BOB, display='"Bob"')
    assert phone.wait_for_call().header("From").startswith(f'"London office" <sip:{BOB}@')
