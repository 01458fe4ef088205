"""A block of numbers is exactly its numbers, in few rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddiweb.deploy.errors import Refused
from peers.realtime import blocks
from peers.realtime.facts import NodeFacts, NumberFacts, Snapshot, TrunkFacts
from peers.realtime.render import render

FIRST, LAST = 100_000, 999_999


@given(st.tuples(st.integers(FIRST, LAST), st.integers(FIRST, LAST)).map(sorted))
def test_patterns_are_the_numbers_of_the_block_each_once(ends: list[int]) -> None:
    first, last = ends
    covered = first
    for pattern in blocks.patterns(str(first), str(last)):
        assert int(pattern.replace("x", "0")) == covered
        covered += 10 ** pattern.count("x")
    assert covered == last + 1


@given(st.tuples(st.integers(FIRST, LAST), st.integers(FIRST, LAST)).map(sorted))
def test_a_block_of_up_to_a_million_is_at_most_ninety_nine_rows(ends: list[int]) -> None:
    assert len(list(blocks.patterns(*map(str, ends)))) <= 99


def _snapshot(*numbers: NumberFacts) -> Snapshot:
    return Snapshot(NodeFacts("lab", "ddi.lab"), (TrunkFacts("trunk_1", ()),), numbers=numbers)


def test_a_round_block_is_one_row_and_one_of_its_trunk() -> None:
    rows = render(_snapshot(NumberFacts("442079460100", "trunk_1", last="442079460199")))
    assert [(one.id, *one.values) for one in rows.table("ddi_ranges")] == [
        ("trunk_1", "", "2"),
        ("trunk_1-4420794601xx", "trunk_1-442079460100_442079460199", "0"),
    ]


@pytest.mark.parametrize(
    ("first", "last"), [("442079460199", "442079460100"), ("44207946", "442079460199"),
                        ("442079460100", "442079460100"), ("44207946000000", "44208946000000")]
)  # fmt: skip
def test_what_is_no_block_is_refused(first: str, last: str) -> None:
    with pytest.raises(Refused, match=r"number\.last"):
        NumberFacts(first, "trunk_1", last=last)


def test_blocks_that_share_numbers_are_refused() -> None:
    numbers = (NumberFacts("442079460100", "trunk_1", last="442079460199"),
               NumberFacts("442079460150", "trunk_1", last="442079460250"))  # fmt: skip
    with pytest.raises(Refused, match="shares numbers"):
        render(_snapshot(*numbers))
