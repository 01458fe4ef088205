"""Outgoing facts to rows: what is denied stays denied, and nothing odd gets in."""

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType, shortnumberinfo

from ddiweb.deploy.errors import Refused
from peers.numbering.zones import countries, destinations, zones
from peers.realtime.outgoing import (
    CallerOutFacts,
    Caps,
    OutgoingFacts,
    PolicyFacts,
    RateFacts,
    TollFacts,
    needed,
    rows,
)


def lets(rules: list[tuple[str, bool]], digits: str) -> bool:
    known = dict(rules)
    found = (known[digits[:n]] for n in range(len(digits), 0, -1) if digits[:n] in known)
    return next(found, False)


def test_only_rules_that_change_something_become_rows() -> None:
    rules = [("44", True), ("441", True), ("449", False), ("4490", False), ("1", False)]
    assert needed(rules) == [("44", True), ("449", False)]


@pytest.mark.parametrize("key", ["GB", "US", "KZ", "BL", "IT", "RU", "881"])
def test_leaving_rules_out_changes_no_verdict(key: str) -> None:
    rules = destinations([key], premium=False)
    for prefix, allowed in rules:
        assert lets(needed(rules), prefix + "5") == lets(list(rules), prefix + "5"), prefix
        assert allowed in (True, False)


def test_premium_numbers_of_a_chosen_country_are_refused() -> None:
    allowed = []
    for key, _ in countries():
        rules = list(destinations([key], premium=False))
        for kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.PERSONAL_NUMBER):
            one = phonenumbers.example_number_for_type(key, kind)
            if one is not None:
                digits = f"{one.country_code}{phonenumbers.national_significant_number(one)}"
                allowed += [(key, digits)] if lets(rules, digits) else []
    assert allowed == []


@pytest.mark.parametrize(
    ("digits", "allowed"),
    [("442079460999", True), ("449098790000", False), ("4401212555019", False), ("43720", False)],
)
def test_a_prefix_that_allows_a_whole_country_does_not_allow_its_premium_numbers(
    digits: str, allowed: bool
) -> None:
    assert lets(list(destinations([], premium=False, own=[("44", True)])), digits) is allowed


def test_a_premium_number_is_allowed_by_its_own_prefix() -> None:
    own = [("44", True), ("449098790000", True)]
    assert lets(list(destinations([], premium=False, own=own)), "449098790000")


@pytest.mark.parametrize("key", ["GB", "US", "FR", "DE", "IT", "IE", "CA", "RU", "AU", "JM"])
def test_ordinary_numbers_of_a_chosen_country_are_allowed(key: str) -> None:
    rules = list(destinations([key], premium=False))
    one = phonenumbers.example_number_for_type(key, PhoneNumberType.FIXED_LINE)
    assert one is not None
    digits = f"{one.country_code}{phonenumbers.national_significant_number(one)}"
    assert lets(rules, digits)
    assert not lets(list(destinations(["ES"], premium=True)), digits)


def test_emergency_numbers_are_those_of_the_library() -> None:
    wrong = [
        (key, number)
        for key, zone in zones().items()
        for number in zone.emergency
        if not shortnumberinfo.is_emergency_number(number, key)
    ]
    assert wrong == []
    assert zones()["GB"].emergency == ("112", "999")


@pytest.mark.parametrize(
    "make",
    [
        lambda: PolicyFacts("policy_1", destinations=(("44;", True),)),
        lambda: PolicyFacts("policy_1", destinations=(("44", True), ("44", False))),
        lambda: PolicyFacts("policy_1", trunks=("trunk_1&trunk_2",)),
        lambda: PolicyFacts("policy_1", country="44\n"),
        lambda: PolicyFacts("policy_1", international="${X}"),
        lambda: PolicyFacts("policy_1", longest_call=4 * 3600 + 1),
        lambda: PolicyFacts("policy_1", emergency=("112",)),
        lambda: PolicyFacts("policy_1", emergency=("11-2",), emergency_trunks=("trunk_1",)),
        lambda: CallerOutFacts("peer_1", "policy_1", ""),
        lambda: CallerOutFacts("peer-1", "policy_1", "442079460123"),
        lambda: Caps(calls=-1),
        lambda: Caps(calls_a_minute=121),
        lambda: RateFacts("044", 1),
        lambda: RateFacts("44", 1, increment=0),
        lambda: OutgoingFacts((CallerOutFacts("peer_1", "policy_9", "442079460123"),)),
    ],
)
def test_what_is_no_fact_is_refused(make: object) -> None:
    with pytest.raises(Refused):
        make()  # type: ignore[operator]


def test_a_trunk_that_is_off_stands_in_no_row() -> None:
    policy = PolicyFacts("policy_1", trunks=("trunk_1", "trunk_2"), emergency_trunks=("trunk_2",))
    tolls = (TollFacts("trunk_1"), TollFacts("trunk_2"))
    made = list(rows(OutgoingFacts((), (policy,), tolls), {"trunk_1"}))
    assert [row.id for row in made] == ["policy_1", "trunk_1"]
    assert made[0].as_dict()["trunks"] == "trunk_1"
    assert made[0].as_dict()["emergency"] == ""
