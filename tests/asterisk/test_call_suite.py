"""A slice of the suite of calls: each kind of trunk and of step once, and what happens within."""

from collections.abc import Iterator

import pytest

from lab.stack import Stack
from tests import scale
from tests.asterisk import moving, suite_talks
from tests.asterisk.suite import Suite, Trunk
from tests.asterisk.suite_run import matrix
from tests.asterisk.suite_steps import call

pytestmark = pytest.mark.asterisk
#: `make calls` makes all of them.
SLICE: list[tuple[Trunk, str, str, str]] = [
    ("address", "iax", "in turn", "iax2"),
    ("tcp", "udp", "forward", "pjsip"),
    ("address", "sipp", "ring", "sipp"),
    ("registration", "tcp", "announce", "pjsip"),
    ("tls", "tls", "in turn", "pjsip"),
]


@pytest.fixture(scope="module")
def suite(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    made = Suite(stack, tmp_path_factory.mktemp("suite"))
    made.prepare()
    yield made
    made.clean()


@pytest.mark.parametrize(("kind", "transport", "step", "phone"), SLICE)
def test_a_call_ends_as_its_route_says_and_is_heard_at_both_ends(
    suite: Suite, kind: Trunk, transport: str, step: str, phone: str
) -> None:
    with suite.trunk(kind) as line:
        call(suite, line, transport, step, phone)


def test_the_calls_of_this_slice_are_of_those_that_the_command_makes() -> None:
    named = {(trunk, transport, step, phone) for trunk, phone, transport, step in matrix()}
    assert (len(named), set(SLICE) - named) == (102, set())


def test_a_call_survives_hold_and_carries_digits_both_ways(suite: Suite) -> None:
    suite_talks.held(suite, "tcp")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"] if scale.FULL else ["udp"])
def test_a_call_goes_on_when_its_phone_moves_to_another_network(
    suite: Suite, transport: str
) -> None:
    moving.moved(suite, transport)
