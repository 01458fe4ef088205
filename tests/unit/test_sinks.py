"""Hostile values into every renderer. The whole proof: `python -m tests.sinks`."""

import pytest

from tests.scale import scaled
from tests.sinks import SINKS, pour


@pytest.mark.parametrize("name", SINKS)
def test_a_hostile_value_is_refused_or_stays_within_its_place(name: str) -> None:
    tally = pour(name, scaled(3000, 1_000_000))
    assert tally["taken"], "values that are all refused prove nothing of the renderer"
    assert tally["refused"] or name == "logged"
