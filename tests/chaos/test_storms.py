"""Kills, freezes and stops around what is applied, watched and recorded; small slices of it.

The whole of each is a command: `python -m tests.chaos.applying`, `.watching`, `.records`.
"""

import random

import pytest

from lab.stack import Stack
from tests.chaos import applying, records, watching
from tests.chaos.ground import Ground
from tests.scale import scaled

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def ground(frail: Stack) -> Ground:
    return Ground(frail)


def test_what_happens_is_in_the_database_within_two_seconds(ground: Ground) -> None:
    slowest = watching.delays(ground, scaled(1, 10))
    print(slowest)
    assert max(slowest.values()) <= watching.SOON


def test_nothing_stays_wrong_after_a_kill(ground: Ground) -> None:
    dice = random.Random(3)
    lines = [watching.kill(ground, dice, number) for number in range(scaled(2, 200))]
    print(lines)
    assert [line for line in lines if line["wrong"] > watching.LATE] == []


def test_no_call_record_is_lost_or_doubled(ground: Ground) -> None:
    told = records.run(ground, scaled(10, 300), seed=5)
    print(told)
    assert records.good(told)


def test_an_apply_outlives_a_freeze_and_a_stopped_database(ground: Ground) -> None:
    dice, database = random.Random(5), applying.Database(ground.stack.folder)
    kinds = ("freeze", "database", "restart") * scaled(1, 17)
    lines = [
        applying.once(ground.stack, database, ground.phone, kind, dice)
        for kind in kinds[: scaled(2, 50)]
    ]
    print(lines)
    assert [line for line in lines if line["faults"]] == []
