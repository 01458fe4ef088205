"""Generated values, read back. The whole proof: `python -m tests.kernel.readback --backend nft`."""

import pytest

from tests.kernel.bench import Bench
from tests.kernel.readback import read_back
from tests.scale import scaled

pytestmark = pytest.mark.kernel


def test_the_kernel_shows_each_value_in_the_place_that_it_was_meant_for(bench: Bench) -> None:
    assert read_back(bench, scaled(500, 20_000), size=scaled(300, 1000))["taken"] >= scaled(
        500, 20_000
    )
