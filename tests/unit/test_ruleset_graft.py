"""A graft is the difference of two whole renderings, found without rendering them."""

import dataclasses
import random

import pytest

from firewall.ruleset.build import build
from firewall.ruleset.diff import difference
from firewall.ruleset.graft import graft
from firewall.ruleset.parse import Dump
from firewall.ruleset.rules import Family
from firewall.ruleset.types import Intent, Management, Token

SITE = "ddi-grafttes-"
MANAGEMENT = Management(("192.0.2.1/32",), (22,))
EMPTY = Intent(
    generation=1, sip_port=5060, rtp_first=10_000, rtp_last=10_100, management=(),
    management_ports=(), vendors=("203.0.113.20/32",), bans=(), site_prefix=SITE, tokens=(),
    revoked=(),
)  # fmt: skip


def _token(dice: random.Random, mark: int, alphabet: str) -> Token:
    return Token(mark, SITE + "".join(dice.choices(alphabet, k=26)))


def _dump(family: Family) -> Dump:
    chains = {chain.name: list(chain.lines) for chain in family.chains}
    return Dump({"INPUT": ["-j DDI-IN"], **chains})


def _case(seed: int) -> tuple[tuple[Intent, Intent], tuple[Token, ...]]:
    """Two intents and the tokens in which they differ; few letters make deep, odd trees."""
    dice = random.Random(seed)
    alphabet = dice.choice(["ab", "abcd", "abcdefghijklmnopqrstuvwxyz234567"])
    count = dice.choice([0, 1, 15, 16, 17, 18, 60, 400])
    made = [_token(dice, mark, alphabet) for mark in range(1, count + 9)]
    kept, fresh = made[:count], made[count : count + dice.randint(0, 8)]
    dropped = dice.sample(kept, min(len(kept), dice.randint(0, 8)))
    first = dataclasses.replace(
        EMPTY, tokens=tuple(kept), revoked=tuple(range(9_000, 9_000 + dice.randint(0, 40)))
    )
    second = dataclasses.replace(
        first,
        tokens=tuple({*kept, *fresh} - {*dropped}),
        revoked=(*first.revoked, *(token.mark for token in dropped)),
    )
    return (first, second), (*fresh, *dropped)


@pytest.mark.parametrize("version", [4, 6])
def test_a_graft_is_the_difference_of_the_whole_rules(version: int) -> None:
    grafted = 0
    for seed in range(80):
        intents, changed = _case(seed)
        old, new = (build(intent, MANAGEMENT, version) for intent in intents)  # type: ignore[arg-type]
        grafts = graft(intents, changed, MANAGEMENT, {version: "a"})  # type: ignore[dict-item]
        if grafts is None:
            continue
        grafted += 1
        (found,) = grafts
        whole = difference(_dump(old), new)
        assert set(found.chains) == set(whole.chains), seed
        assert set(found.stale) == set(whole.stale), seed
    assert grafted > 70


def test_a_graft_of_nothing_is_nothing() -> None:
    assert graft((EMPTY, EMPTY), (), MANAGEMENT, {}) == []
