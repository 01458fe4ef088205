"""A vendor dies: which host, and then the whole trunk with the cause, within the promised time."""

from pathlib import Path

import pytest

from lab.stack import Stack
from lab.vendor import FIRST, SECOND
from tests.asterisk.vendor_down import PORT, two_hosts

pytestmark = pytest.mark.asterisk


def test_a_dead_host_is_named_and_a_dead_vendor_is_said_to_be_down_with_the_cause(
    stack: Stack, tmp_path: Path
) -> None:
    with two_hosts(stack, tmp_path) as trunk:
        with trunk.host(FIRST):
            first = trunk.said(SECOND)
        then = trunk.said(FIRST, SECOND)
    assert (first["down"], first["faults"]) == (False, f"{SECOND}:{PORT} does not answer")
    assert (then["down"], then["cause"]) == (True, "does not answer")
