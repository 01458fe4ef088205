"""Deployments on trial: they wait for a word without a worker, and end in one way only."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from ddiweb import clock
from ddiweb.deploy import pipeline, services, trials
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from ddiweb.deploy.target import Trial
from tests import factories
from tests.fakes import TryingTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WORDS = "management network 203.0.113.0/24 is removed"


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def target() -> TryingTarget:
    return TryingTarget(trial=Trial(60, (WORDS,)))


def on_trial(node: Node, target: TryingTarget) -> Deployment:
    factories.peer(node)
    row = services.request_deployment(node, "test")
    assert pipeline.run(row.pk, [target]) == State.CONFIRMING
    row.refresh_from_db()
    return row


def test_a_trial_is_not_in_force_before_it_is_confirmed(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    node.refresh_from_db()
    assert (row.trial, node.converged, node.lease_until) == ([WORDS], False, None)


def test_a_trial_needs_no_worker(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    services.sweep(resend_after=0)
    row.refresh_from_db()
    assert row.state == State.CONFIRMING


def test_a_confirmed_trial_is_done(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    target.proved = True
    assert trials.end(row, "confirm", [target]) == State.DONE
    node.refresh_from_db()
    assert node.converged


def test_a_refused_confirmation_leaves_the_trial_running(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    assert trials.end(row, "confirm", [target]) == State.CONFIRMING
    row.refresh_from_db()
    assert "no new connection" in row.error


def test_two_confirmations_are_one(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    target.proved = True
    again = Deployment.objects.get(pk=row.pk)
    states = [trials.end(one, "confirm", [target]) for one in (row, again)]
    assert states == [State.DONE, State.DONE]
    again.refresh_from_db()
    assert [entry["state"] for entry in again.log].count("done") == 1


def test_a_lapsed_trial_says_that_it_is_not_in_force(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    target.state = "gone"
    assert trials.end(row, "close", [target]) == State.ROLLED_BACK
    row.refresh_from_db()
    assert WORDS in row.error and "nobody confirmed it in time" in row.error


def test_a_confirmation_after_the_end_does_not_say_done(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    target.state = "gone"
    assert trials.end(row, "confirm", [target]) == State.ROLLED_BACK


def test_a_trial_that_was_kept_though_its_row_was_not_written_is_done(
    node: Node, target: TryingTarget
) -> None:
    row = on_trial(node, target)
    target.state = "kept"
    assert trials.end(row, "close", [target]) == State.DONE


def test_a_roll_back_ends_it_at_once(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    assert trials.end(row, "rollback", [target]) == State.ROLLED_BACK
    assert target.state == "gone"


def test_the_sweeper_closes_what_a_silent_node_left(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    Deployment.objects.update(confirm_until=clock.now() - timedelta(minutes=2))
    assert trials.overdue() == 1
    row.refresh_from_db()
    assert row.state == State.ROLLED_BACK


def test_an_edit_during_a_trial_waits_for_its_end(node: Node, target: TryingTarget) -> None:
    row = on_trial(node, target)
    factories.peer(node)
    later = services.request_deployment(node, "later")
    target.calls.clear()
    assert pipeline.run(later.pk, [target]) == State.PENDING
    assert target.calls == []
    target.state = "gone"
    trials.end(row, "close", [target])
    target.trial = None
    assert pipeline.run(later.pk, [target]) == State.DONE


def test_a_compromise_during_a_trial_is_shut_out_at_once(node: Node, target: TryingTarget) -> None:
    on_trial(node, target)
    later = services.request_deployment(node, "compromised", urgent=True)
    target.calls.clear()
    assert pipeline.run(later.pk, [target]) == State.PENDING
    assert set(target.calls) == {"shut"}


def test_what_nobody_confirmed_is_not_tried_again_by_itself(
    node: Node, target: TryingTarget
) -> None:
    target.trial = Trial(0, (WORDS,))
    factories.peer(node)
    row = services.request_deployment(node, "a grace ended")
    assert pipeline.run(row.pk, [target]) == State.ROLLED_BACK
    row.refresh_from_db()
    assert "settle" in target.calls and WORDS in row.error and row.held


def test_a_person_takes_over_what_a_clock_asked_for(node: Node) -> None:
    services.request_deployment(node, "a grace ended")
    person = User.objects.create(username="root")
    services.request_deployment(node, "by hand", person)
    assert Deployment.objects.get().requested_by == person
