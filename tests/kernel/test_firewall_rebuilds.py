"""Rebuilds under traffic. The whole proof: `python -m tests.kernel.rebuilds --backend nft`."""

import pytest

from tests.kernel.bench import Bench
from tests.kernel.rebuilds import rebuild
from tests.scale import scaled

pytestmark = pytest.mark.kernel


def test_rebuilds_under_traffic_lose_nothing_allowed_and_admit_nothing_else(bench: Bench) -> None:
    outcome, _ = rebuild(bench, scaled(25, 5000))
    assert outcome.allowed > 1000
    assert outcome.forbidden > 1000
    assert (outcome.lost, outcome.admitted) == (0, 0)
