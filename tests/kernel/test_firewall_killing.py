"""kill -9 at random instants. The whole proof: `python -m tests.kernel.killing --backend nft`."""

import pytest

from tests.kernel.bench import Bench
from tests.kernel.killing import kill
from tests.scale import scaled

pytestmark = pytest.mark.kernel


def test_kill_9_at_random_instants_leaves_wholly_the_old_rules_or_the_new(bench: Bench) -> None:
    tally = kill(bench, scaled(12, 1000))
    assert tally.old and tally.new and tally.restores and tally.agents
    assert tally.between == []
