"""A slice of the suite of calls: each kind of trunk once, and one call that is put on hold."""

from collections.abc import Iterator

import pytest

from lab.stack import Stack
from tests import scale
from tests.asterisk import moving
from tests.asterisk import suite as calls
from tests.asterisk.suite import Suite

pytestmark = pytest.mark.asterisk
SLICE = [("address", "iax"), ("registration", "udp"), ("tls", "tls")]
WHOLE = [(kind, transport) for kind in calls.TRUNKS for transport in calls.TRANSPORTS]


@pytest.fixture(scope="module")
def suite(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    made = Suite(stack, tmp_path_factory.mktemp("suite"))
    made.prepare()
    yield made
    made.clean()


@pytest.mark.parametrize(("kind", "transport"), WHOLE if scale.FULL else SLICE)
def test_a_call_is_heard_at_both_ends(suite: Suite, kind: calls.Trunk, transport: str) -> None:
    steps = calls.STEPS if scale.FULL else ("in turn",)
    assert len(list(calls.calls(suite, kind, transport, steps))) == len(steps)


def test_a_call_survives_hold_and_carries_digits_both_ways(suite: Suite) -> None:
    calls.held(suite, "tcp")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"] if scale.FULL else ["udp"])
def test_a_call_goes_on_when_its_phone_moves_to_another_network(
    suite: Suite, transport: str
) -> None:
    moving.moved(suite, transport)
