"""From where a token was seen, as the agent remembers it; no kernel."""

from types import SimpleNamespace
from typing import Any

import pytest

from firewall.agent.conntrack import Flow
from firewall.agent.flows import MOST_PLACES, MOST_TOLD, REMEMBERED, Flows, Whereabouts
from firewall.ruleset.marks import FLOW_BIT

pytestmark = pytest.mark.unit


def _flow(mark: int, source: str) -> Flow:
    return Flow(4, "tcp", source, 1, "203.0.113.10", 5061, FLOW_BIT | mark, 60, b"")


def test_an_address_is_remembered_of_the_token_that_came_from_there() -> None:
    seen = Whereabouts()
    seen.note([_flow(1, "192.0.2.1"), _flow(2, "192.0.2.2")])
    assert seen.of([1]) == {"192.0.2.1"}


def test_an_address_is_forgotten_when_it_was_long_ago() -> None:
    now = [0.0]
    seen = Whereabouts(lambda: now[0])
    seen.note([_flow(1, "192.0.2.1")])
    now[0] = REMEMBERED
    seen.note([_flow(1, "192.0.2.2")])
    assert seen.of([1]) == {"192.0.2.2"}


def test_a_token_from_very_many_addresses_fills_no_memory() -> None:
    now = [0.0]
    seen = Whereabouts(lambda: now[0])
    for last in range(MOST_PLACES + 5):
        now[0] += 1
        seen.note([_flow(1, f"192.0.2.{last}")])
    assert seen.of([1]) == {f"192.0.2.{last}" for last in range(5, MOST_PLACES + 5)}


def test_a_token_from_very_many_places_gets_an_answer_that_fits() -> None:
    sources = [f"{one >> 8}.{one & 255}.0.1" for one in range(256, 256 + 2 * MOST_TOLD)]
    table: Any = SimpleNamespace(find=lambda **_: (_flow(1, source) for source in sources))
    netfilter: Any = SimpleNamespace(connections=table)
    assert len(Flows(netfilter, lambda: None, Whereabouts()).places()["1"]) == MOST_TOLD
