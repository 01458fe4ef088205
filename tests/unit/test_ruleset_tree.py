"""The token tree: each token finds its mark, and no way is long."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from firewall.ruleset.build import build
from firewall.ruleset.matches import Holds
from firewall.ruleset.rules import Family, SetMark, To
from firewall.ruleset.tree import LEAF, MAX_LEVELS
from firewall.ruleset.types import Intent, Token
from tests.unit.rulesets import ALPHABET, MANAGEMENT, PLAIN, SITE, intents, many_tokens

pytestmark = pytest.mark.unit


@settings(max_examples=40, deadline=None)
@given(intents())
def test_each_token_finds_its_own_mark_and_no_other_finds_one(intent: Intent) -> None:
    family = build(intent, MANAGEMENT, 4)
    found = {token.mark: _walk(family, token.value) for token in intent.tokens}
    assert found == {token.mark: [token.mark] for token in intent.tokens}
    assert _walk(family, intent.site_prefix + "7" * 25 + "6") == []


@settings(max_examples=40, deadline=None)
@given(intents())
def test_no_way_through_the_chains_is_longer_than_nft_allows(intent: Intent) -> None:
    assert _depth(build(intent, MANAGEMENT, 6), "DDI-IN") <= 15


def test_ten_thousand_tokens_meet_short_chains() -> None:
    family = build(replace(PLAIN, tokens=many_tokens(10_000)), MANAGEMENT, 4)
    assert max(len(c.rules) for c in family.chains if c.name.startswith("DDIa-T")) <= 33


def test_a_strangers_way_has_the_same_rules_with_10_and_10000_tokens() -> None:
    few, many = (
        build(replace(PLAIN, tokens=many_tokens(count)), MANAGEMENT, 4) for count in (10, 10_000)
    )
    way = ("DDI-IN", "DDIa-IN", "DDIa-SIP", "DDIa-NEW")
    assert [_chain(few, name) for name in way] == [_chain(many, name) for name in way]


def test_a_chains_name_fits_the_kernel_and_shows_four_digits_at_most() -> None:
    skewed = tuple(
        Token(mark, SITE + f"{'a' * 20}{ALPHABET[mark // 32]}{ALPHABET[mark % 32]}aaaa")
        for mark in range(1, 500)
    )
    names = [chain.name for chain in build(replace(PLAIN, tokens=skewed), MANAGEMENT, 4).chains]
    assert max(map(len, names)) <= 28 and not any("aaaaa" in name for name in names)


def test_tokens_that_share_their_beginnings_end_in_a_longer_list_not_in_a_deeper_tree() -> None:
    # a.., ba.., bba..: each level parts one token from the rest.
    skewed = tuple(Token(n + 1, SITE + ("b" * n + "a" * 26)[:26]) for n in range(LEAF + 9))
    family = build(replace(PLAIN, tokens=skewed), MANAGEMENT, 4)
    depth = _depth(family, "DDIa-TOK")
    assert depth <= MAX_LEVELS + 2


def _chain(family: Family, name: str) -> tuple[object, ...]:
    return next(chain.rules for chain in family.chains if chain.name == name)


def _walk(family: Family, payload: str) -> list[int]:
    """Marks that a packet with `payload` is given in the tree, by the kernel's rules of goto."""
    chains = {chain.name: chain.rules for chain in family.chains}
    marks: list[int] = []
    name = "DDIa-TOK"
    while name in chains and name != "DDIa-VERDICT":
        following = ""
        for rule in chains[name]:
            if not all(isinstance(m, Holds) and m.text in payload for m in rule.matches):
                continue
            if isinstance(rule.action, SetMark):
                marks.append(rule.action.value & 0xFFFFF)
            elif isinstance(rule.action, To):
                following = rule.action.chain
                break
        name = following
    return marks


def _depth(family: Family, name: str) -> int:
    chains = {chain.name: chain.rules for chain in family.chains}
    targets = [rule.action.chain for rule in chains[name] if isinstance(rule.action, To)]
    return 1 + max((_depth(family, target) for target in targets), default=0)
