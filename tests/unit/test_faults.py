"""The list of seeded faults fits the code (`python -m tests.faults` seeds them)."""

from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]


def test_there_are_thirty() -> None:
    assert len(FAULTS) == 30
    assert len({fault.what for fault in FAULTS}) == 30


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_the_code_that_a_fault_would_change_stands_once(fault: Fault) -> None:
    assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1
