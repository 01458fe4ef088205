"""The quick lane: which tokens take it, and that it is no more than a lead."""

from typing import Any

import pytest

from ddiweb.deploy import pipeline, quick_lane, registry, services
from ddiweb.deploy.errors import DeployError, Refused, Retryable
from ddiweb.deploy.lock import lease
from ddiweb.deploy.models import Node
from ddiweb.deploy.states import State
from firewall import quick
from firewall.ruleset.types import Token as TokenRule
from firewall.target import FirewallTarget
from peers.choices import Carrier
from peers.models import Peer, Token
from peers.services import compromised, delete_peers, peer_created, revoke, rotate
from tests import factories
from tests.fakes import MemoryTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]


class Recorder:
    """The agent's channel, as far as the quick lane needs it."""

    def __init__(self, fault: DeployError | None = None) -> None:
        self.fault = fault
        self.asked: list[tuple[list[int], list[int], int]] = []

    def amend(self, add: list[TokenRule], drop: list[int], fence: int) -> dict[str, Any]:
        self.asked.append(([token.mark for token in add], list(drop), fence))
        if self.fault:
            raise self.fault
        return {}


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def phone(node: Node) -> Peer:
    """A phone that is in force by its first token."""
    made = factories.peer(node)
    peer_created(made)
    Token.objects.filter(peer=made).update(in_force=True)
    return made


def marks(node: Node) -> tuple[list[int], list[int]]:
    found = quick.waiting(node)
    return [token.mark for token in found.fresh], [token.mark for token in found.dead]


def run(node: Node, fault: DeployError | None = None) -> Recorder:
    channel = Recorder(fault)
    quick.run(node, channel, 7)  # type: ignore[arg-type]
    return channel


def test_a_rotated_token_of_a_phone_in_force_takes_it(node: Node, phone: Peer) -> None:
    (token,) = rotate([phone])
    assert run(node).asked == [([token.mark], [], 7)]
    assert marks(node) == ([], [])


def test_a_new_phone_waits_for_its_rows(node: Node) -> None:
    peer_created(factories.peer(node))
    assert marks(node) == ([], [])


def test_a_phone_that_is_off_waits(node: Node, phone: Peer) -> None:
    Peer.objects.update(enabled=False)
    token = phone.tokens.get()
    rotate([phone])
    assert marks(node) == ([], [token.mark])
    run(node)
    assert marks(node) == ([], [])


def test_a_token_that_is_the_accounts_name_waits_for_its_rows(node: Node, phone: Peer) -> None:
    Peer.objects.update(carrier=Carrier.USERNAME)
    rotate([phone])
    assert marks(node) == ([], [])


def test_a_compromise_goes_out_and_its_heir_comes_in_together(node: Node, phone: Peer) -> None:
    old = phone.tokens.get()
    (new,) = compromised([phone])
    assert run(node).asked == [([new.mark], [old.mark], 7)]


def test_tokens_of_a_deleted_phone_go_out(node: Node, phone: Peer) -> None:
    old = phone.tokens.get()
    delete_peers([phone])
    assert run(node).asked == [([], [old.mark], 7)]


def test_a_crowd_is_left_to_the_deployment(node: Node) -> None:
    crowd = [factories.peer(node) for _ in range(quick.MOST + 1)]
    for one in crowd:
        peer_created(one)
    Token.objects.update(in_force=True)
    rotate(crowd)
    assert marks(node) == ([], [])


def test_nothing_waiting_asks_nobody(node: Node, phone: Peer) -> None:
    assert run(node).asked == []


def test_its_queries_do_not_grow_with_the_phones(
    node: Node, phone: Peer, django_assert_num_queries: Any
) -> None:
    for _ in range(30):
        peer_created(factories.peer(node))
    Token.objects.update(in_force=True)
    rotate([phone])
    with django_assert_num_queries(3):
        run(node)


def test_what_the_agent_refused_is_not_taken_for_in_force(node: Node, phone: Peer) -> None:
    (token,) = rotate([phone])
    with pytest.raises(Refused):
        run(node, Refused("amend: no good ruleset is kept"))
    assert marks(node) == ([token.mark], [])


def test_a_proved_deployment_says_which_tokens_are_in_force(node: Node) -> None:
    peer = factories.peer(node)
    token, off = peer_created(peer), factories.peer(node, enabled=False)
    Token.objects.filter(pk=peer_created(off).pk).update(in_force=True)
    target = FirewallTarget(Recorder())  # type: ignore[arg-type]
    target.settle(node, target.render(node))
    assert list(Token.objects.filter(in_force=True)) == [token]


def test_a_token_revoked_meanwhile_is_not_said_to_be_in_force(node: Node) -> None:
    peer = factories.peer(node)
    token = peer_created(peer)
    target = FirewallTarget(Recorder())  # type: ignore[arg-type]
    desired = target.render(node)
    revoke([token])
    target.settle(node, desired)
    assert not Token.objects.get(pk=token.pk).in_force


def deployed(node: Node, target: MemoryTarget) -> State:
    return pipeline.run(services.request_deployment(node, "test").pk, [target], lambda _: None)


def test_it_comes_before_the_quiet_time(node: Node, settings: Any) -> None:
    settings.DEPLOY_QUIET = 3600
    target = MemoryTarget(hasty=True)
    deployed(node, target)
    slept: list[list[str]] = []
    row = services.request_deployment(node, "again")
    target.calls.clear()
    pipeline.run(row.pk, [target], lambda _: slept.append(list(target.calls)))
    assert slept == [["hurry"]]


def test_what_the_quick_lane_did_alone_is_still_read_back(node: Node) -> None:
    target = MemoryTarget(hasty=True)
    deployed(node, target)
    target.calls.clear()
    deployed(node, target)
    assert "verify" in target.calls and "apply" not in target.calls


@pytest.mark.parametrize("fault", [Retryable("agent is away"), Refused("no"), ZeroDivisionError()])
def test_its_fault_is_not_the_deployments(node: Node, fault: Exception) -> None:
    target = MemoryTarget(hasty=True, fail={"hurry": [fault]})
    factories.peer(node)
    assert deployed(node, target) == State.DONE


def test_a_target_that_is_down_keeps_no_revoked_token_in(node: Node) -> None:
    rows = MemoryTarget(hasty=True, fail={"hurry": [Retryable("locked")]})
    rules = MemoryTarget()
    row = services.request_deployment(node, "test")
    quick_lane.hurry(row.node, [rows, rules])
    assert rules.calls == ["hurry"]


def test_a_busy_node_is_left_to_whoever_holds_it(node: Node) -> None:
    target = MemoryTarget(hasty=True)
    row = services.request_deployment(node, "test")
    with lease(node.pk):
        pipeline.run(row.pk, [target], lambda _: None)
    assert target.calls == []


def test_a_dry_run_takes_no_quick_lane() -> None:
    target = MemoryTarget(hasty=True)
    deployed(factories.node(dry_run=True), target)
    assert "hurry" not in target.calls


def test_every_target_of_a_node_answers_the_quick_lane() -> None:
    node = factories.node()
    assert [target.hurries(node) for target in registry.targets()] == [False] * len(registry.PATHS)
