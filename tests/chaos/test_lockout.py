"""An administrator who locked himself out is in again when the trial ends, whatever was killed."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from lab.world import World
from tests.chaos.lockout import LOCKOUTS, good, once
from tests.kernel.bench import Bench

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

#: A tenth of what `python -m tests.chaos.lockout --times 50` does on each backend.
TIMES = max(1, round(50 * float(os.environ.get("DDIWEB_TEST_SCALE", "0.1")) / 2))
WINDOW = 4


@pytest.fixture(scope="module", params=["nft", "legacy"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A world of its own: its agents die."""
    folder = tmp_path_factory.mktemp(f"lockout-{request.param}")
    with World.start(folder / "world") as world:
        made = Bench(world, request.param, folder / "agent")
        yield made
        made.end()


def test_the_administrator_is_back_within_the_window_and_a_second(bench: Bench) -> None:
    dice = random.Random(bench.backend)
    lines: list[dict[str, Any]] = []
    for change in dice.choices(LOCKOUTS, k=TIMES):
        bench.start_agent()
        lines.append(once(bench, change, WINDOW, bench.kill_agent))
    assert [line for line in lines if not good(line)] == []
