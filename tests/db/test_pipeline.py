"""The pipeline on a target in memory: states, coalescing, fences, retries and roll-backs."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ddiweb.deploy import pipeline, services
from ddiweb.deploy.errors import Failed, Refused, Retryable
from ddiweb.deploy.lock import lease
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from tests import factories
from tests.fakes import MemoryTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


def edit(node: Node, **options: bool) -> Deployment:
    factories.peer(node)
    return services.request_deployment(node, "test", **options)


def test_an_edit_is_in_force_after_its_deployment(node: Node, target: MemoryTarget) -> None:
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.DONE
    node.refresh_from_db()
    assert len(target.world) == 1
    assert node.applied_generation == node.generation == 1


def test_twenty_edits_before_the_worker_looks_are_one_deployment(
    node: Node, target: MemoryTarget
) -> None:
    rows = {edit(node).pk for _ in range(20)}
    assert len(rows) == 1
    assert pipeline.run(rows.pop(), [target]) == State.DONE
    assert len(target.world) == 20
    assert Deployment.objects.get().edits == 20


def test_the_same_deployment_run_twice_changes_nothing_the_second_time(
    node: Node, target: MemoryTarget
) -> None:
    row = edit(node)
    pipeline.run(row.pk, [target])
    target.calls.clear()
    assert pipeline.run(row.pk, [target]) == State.DONE
    assert target.calls == []


def test_an_unchanged_node_is_done_without_an_apply(node: Node, target: MemoryTarget) -> None:
    pipeline.run(edit(node).pk, [target])
    target.calls.clear()
    again = services.request_deployment(node, "again")
    assert pipeline.run(again.pk, [target]) == State.DONE
    assert "apply" not in target.calls


def test_an_edit_during_a_deployment_gets_one_of_its_own(node: Node, target: MemoryTarget) -> None:
    row = edit(node)
    Deployment.objects.filter(pk=row.pk).update(state=State.APPLYING)
    assert edit(node).pk != row.pk


def test_an_unreachable_part_leaves_it_pending_with_the_reason(
    node: Node, target: MemoryTarget
) -> None:
    target.fail["apply"] = [Retryable("the agent does not answer")]
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.PENDING
    row.refresh_from_db()
    assert row.error == "the agent does not answer"
    assert pipeline.run(row.pk, [target]) == State.DONE


def test_a_refused_plan_changes_nothing_and_says_why(node: Node, target: MemoryTarget) -> None:
    target.fail["render"] = [Refused("peer.name: holds a newline; remove it")]
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.REFUSED
    row.refresh_from_db()
    assert "apply" not in target.calls
    assert "remove it" in row.error


def test_a_read_back_that_differs_is_rolled_back(node: Node, target: MemoryTarget) -> None:
    target.world = {"old": "old"}
    target.lie = True
    assert pipeline.run(edit(node).pk, [target]) == State.ROLLED_BACK
    assert target.world == {"old": "old"}
    node.refresh_from_db()
    assert node.applied_generation == 0


def test_all_targets_are_put_back_when_the_last_one_fails(node: Node) -> None:
    first, second = MemoryTarget("first"), MemoryTarget("second")
    second.fail["apply"] = [Failed("rules differ")]
    assert pipeline.run(edit(node).pk, [first, second]) == State.ROLLED_BACK
    assert first.world == {}


def test_a_restore_that_fails_is_the_loudest_state(node: Node, target: MemoryTarget) -> None:
    target.fail = {"apply": [Failed("half")], "restore": [Retryable("gone")]}
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.FAILED
    row.refresh_from_db()
    assert "gone" in row.error


def test_a_defect_in_a_target_is_rolled_back_and_not_retried(
    node: Node, target: MemoryTarget
) -> None:
    target.fail["verify"] = [ZeroDivisionError()]
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.ROLLED_BACK
    row.refresh_from_db()
    assert "ZeroDivisionError" in row.error


def test_only_one_worker_holds_a_node(node: Node) -> None:
    with lease(node.pk):
        Node.objects.filter(pk=node.pk).update(lease_holder="elsewhere:1:1")
        with pytest.raises(Retryable), lease(node.pk):
            pass


def test_the_lease_of_a_dead_process_is_free_at_once(node: Node) -> None:
    import socket

    Node.objects.filter(pk=node.pk).update(
        lease_holder=f"{socket.gethostname()}:4194303:1",
        lease_until=timezone.now() + timedelta(seconds=60),
    )
    with lease(node.pk) as held:
        assert held.fence == 1


def test_a_worker_that_lost_its_lease_can_not_renew_it(node: Node) -> None:
    with lease(node.pk) as held:
        Node.objects.filter(pk=node.pk).update(fence=held.fence + 1)
        with pytest.raises(Refused):
            held.renew()


def test_an_overtaken_fence_is_refused_by_the_target(node: Node, target: MemoryTarget) -> None:
    target.fence = 99
    assert pipeline.run(edit(node).pk, [target]) == State.REFUSED
    assert target.world == {}


def test_a_target_that_refused_to_apply_is_not_put_back(node: Node, target: MemoryTarget) -> None:
    first = MemoryTarget("first")
    target.fail["apply"] = [Refused("agent: sip_port is a management port")]
    assert pipeline.run(edit(node).pk, [first, target]) == State.ROLLED_BACK
    assert "restore" in first.calls
    assert "restore" not in target.calls


def test_a_dry_run_shows_its_plan_and_touches_nothing(target: MemoryTarget) -> None:
    node = factories.node(dry_run=True)
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.DONE
    row.refresh_from_db()
    assert len(row.plan["memory"]) == 1
    assert "apply" not in target.calls


def test_the_sweeper_returns_what_a_dead_worker_left(node: Node, target: MemoryTarget) -> None:
    row = edit(node)
    Deployment.objects.filter(pk=row.pk).update(state=State.VERIFYING, fence=1)
    assert services.sweep()["lost"] == 1
    assert pipeline.run(row.pk, [target]) == State.DONE


def test_a_lost_deployment_gives_way_to_a_newer_pending_one(node: Node) -> None:
    old = edit(node)
    Deployment.objects.filter(pk=old.pk).update(state=State.APPLYING)
    edit(node)
    services.sweep()
    old.refresh_from_db()
    assert old.state == State.SUPERSEDED


def test_the_sweeper_makes_a_deployment_for_a_generation_without_one(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(generation=7)
    assert services.sweep()["missing"] == 1
    assert Deployment.objects.get().generation == 7


def test_the_database_holds_at_most_one_pending_deployment_a_node(node: Node) -> None:
    edit(node)
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.create(node=node, generation=1, reason="second")


def test_an_edit_that_is_rolled_back_asks_for_nothing(node: Node) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        edit(node)
        raise ZeroDivisionError
    node.refresh_from_db()
    assert node.generation == 0
    assert not Deployment.objects.exists()


def test_a_burst_waits_for_a_quiet_moment_and_an_urgent_one_does_not(
    node: Node, settings: object
) -> None:
    settings.DEPLOY_QUIET = 1.0  # type: ignore[attr-defined]
    Node.objects.filter(pk=node.pk).update(last_started_at=timezone.now())
    row = edit(node)
    row.refresh_from_db()
    assert 0.5 < pipeline.quiet_time(row) <= 1.0
    urgent = edit(node, urgent=True)
    urgent.refresh_from_db()
    assert pipeline.quiet_time(urgent) == 0


def test_a_compromise_is_shut_out_before_anything_else_is_asked(node: Node) -> None:
    rows, rules = MemoryTarget("rows"), MemoryTarget("rules")
    assert pipeline.run(edit(node, urgent=True).pk, [rows, rules]) == State.DONE
    assert rules.calls[0] == "shut"


def test_an_ordinary_edit_changes_nothing_while_one_part_is_away(node: Node) -> None:
    rows, rules = MemoryTarget("rows"), MemoryTarget("rules")
    rows.fail["read"] = [Retryable("the realtime database is away")]
    assert pipeline.run(edit(node).pk, [rows, rules]) == State.PENDING
    assert not rules.world


def test_a_retry_that_finds_nothing_to_do_is_read_back_all_the_same(
    node: Node, target: MemoryTarget
) -> None:
    target.fail["verify"] = [Retryable("AMI: no connection")]
    row = edit(node)
    assert pipeline.run(row.pk, [target]) == State.PENDING
    target.calls.clear()
    assert pipeline.run(row.pk, [target]) == State.DONE
    assert "verify" in target.calls
