"""Revocations with calls and qualify live; the whole proof: python -m tests.kernel.revocations."""

import os
from pathlib import Path

import pytest

from tests.kernel.revocations import run

FULL = os.environ.get("DDIWEB_TEST_SCALE") == "full"
pytestmark = [pytest.mark.kernel, pytest.mark.timeout(3600 if FULL else 180)]
COUNT = 1000 if FULL else 10


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_nothing_of_a_revoked_phone_passes_after_the_agents_answer(
    backend: str, tmp_path: Path
) -> None:
    result = run(backend, COUNT, tmp_path)
    assert (result.revocations, result.passed) == (COUNT, {})
    assert result.alive > COUNT  # those that were not revoked went on, so there was somebody to see
