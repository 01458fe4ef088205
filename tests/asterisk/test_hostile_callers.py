"""Callers who write dialplan, AMI and log lines where a name belongs."""

import pytest

from tests.asterisk.conftest import Bench
from tests.asterisk.hostile import run
from tests.scale import scaled

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(900)]


def test_no_caller_changes_the_way_of_a_call_a_record_or_a_log(bench: Bench) -> None:
    outcome = run(bench, scaled(60, 1000), seed=7)
    print(outcome)
    assert outcome.faults == []
