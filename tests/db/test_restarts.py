"""A person's word for a restart of Asterisk: rows, moved by conditional updates."""

from typing import Any

import pytest

from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Deployment, Node
from ddiweb.live import restarts
from ddiweb.live.restart_models import Restart
from peers.realtime.ami import ActionRefused
from peers.realtime.ami_message import Message
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]
State = Restart.State


class Asterisk:
    """An AMI client of an Asterisk that was started at ``started``; notes what it was told."""

    def __init__(self) -> None:
        self.started = 1000
        self.told: list[str] = []
        self.fault: Exception | None = None

    def __enter__(self) -> "Asterisk":
        if self.fault:
            raise self.fault
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def post(self, name: str, wait: float, **fields: str) -> None:
        self.told.append(fields["Command"])

    def action(self, name: str, **fields: str) -> list[Message]:
        if name == "CoreStatus":
            return [Message((("Response", "Success"),))]
        return [Message((("Response", "Success"), ("Value", str(self.started))))]


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def asterisk() -> Asterisk:
    return Asterisk()


def step(node: Node, asterisk: Any, times: int = 1) -> restarts.Restarter:
    watch = restarts.Restarter(lambda: asterisk)
    for _ in range(times):
        watch.step(node, asterisk)
    return watch


def test_asterisk_is_told_once_to_wait_for_a_quiet_moment(node: Node, asterisk: Asterisk) -> None:
    restarts.wish(node, "quiet")
    step(node, asterisk, times=3)
    assert asterisk.told == ["core restart when convenient"]


def test_another_asterisk_is_the_end_of_it_and_asks_for_a_deployment(
    node: Node, asterisk: Asterisk
) -> None:
    row = restarts.wish(node, "quiet")
    step(node, asterisk)
    asterisk.started = 2000
    step(node, asterisk)
    row.refresh_from_db()
    assert (row.state, Deployment.objects.get().reason) == (State.DONE, "Asterisk was restarted")


def test_an_asterisk_that_boots_and_can_t_tell_its_start_is_asked_again(
    node: Node, asterisk: Asterisk
) -> None:
    row = restarts.wish(node, "now")
    asterisk.started = 0
    step(node, asterisk)
    asterisk.started = 1000
    step(node, asterisk)
    row.refresh_from_db()
    assert (row.state, asterisk.told) == (State.ASKED, ["core restart now"])


def test_a_node_that_goes_into_dry_run_is_not_restarted_by_an_earlier_wish(
    node: Node, asterisk: Asterisk
) -> None:
    row = restarts.wish(node, "now")
    Node.objects.filter(pk=node.pk).update(dry_run=True)
    step(node, asterisk)
    row.refresh_from_db()
    assert (row.state, asterisk.told) == (State.CANCELLED, [])


def test_what_asterisk_waits_for_is_taken_back_when_the_node_goes_into_dry_run(
    node: Node, asterisk: Asterisk
) -> None:
    row = restarts.wish(node, "quiet")
    step(node, asterisk)
    Node.objects.filter(pk=node.pk).update(dry_run=True)
    step(node, asterisk)
    row.refresh_from_db()
    assert row.state == State.CANCELLED
    assert asterisk.told == ["core restart when convenient", "core abort shutdown"]


def test_a_watch_that_was_started_anew_tells_asterisk_again(node: Node, asterisk: Asterisk) -> None:
    restarts.wish(node, "quiet")
    step(node, asterisk)
    step(node, asterisk)
    assert len(asterisk.told) == 2


def test_now_takes_the_place_of_a_wish_that_waits(node: Node, asterisk: Asterisk) -> None:
    row = restarts.wish(node, "quiet")
    watch = step(node, asterisk)
    assert restarts.wish(node, "now") == row
    watch.step(node, asterisk)
    assert asterisk.told[-1] == "core restart now"


def test_who_asks_twice_for_a_quiet_moment_still_waits_for_one(node: Node) -> None:
    row = restarts.wish(node, "quiet")
    again = restarts.wish(node, "quiet")
    assert (again, again.how) == (row, "quiet")


def test_a_wish_for_now_does_not_become_one_that_waits(node: Node) -> None:
    restarts.wish(node, "now")
    assert restarts.wish(node, "quiet").how == "now"


def test_a_wish_that_asterisk_knows_is_taken_back_there(node: Node, asterisk: Asterisk) -> None:
    row = restarts.wish(node, "quiet")
    watch = step(node, asterisk)
    assert restarts.take_back(row)
    watch.step(node, asterisk)
    row.refresh_from_db()
    assert (row.state, row.error) == (State.CANCELLED, "")
    assert asterisk.told[-1] == "core abort shutdown"


def test_a_wish_that_nobody_heard_of_is_taken_back_at_once(node: Node, asterisk: Asterisk) -> None:
    assert restarts.take_back(restarts.wish(node, "quiet"))
    step(node, asterisk)
    assert asterisk.told == []


def test_what_is_over_can_not_be_taken_back(node: Node) -> None:
    row = restarts.wish(node, "quiet")
    restarts.take_back(row)
    assert not restarts.take_back(row)


def test_a_node_in_dry_run_is_not_restarted(node: Node) -> None:
    node.dry_run = True
    with pytest.raises(Refused, match="dry run"):
        restarts.wish(node, "now")


@pytest.mark.parametrize("fault", [Retryable("no connection"), ActionRefused("no account")])
def test_what_stands_in_the_way_is_said_and_tried_again(
    node: Node, asterisk: Asterisk, fault: Exception
) -> None:
    row = restarts.wish(node, "quiet")
    asterisk.fault = fault
    watch = step(node, asterisk)
    row.refresh_from_db()
    assert (row.state, row.error) == (State.ASKED, str(fault))
    asterisk.fault = None
    watch.step(node, asterisk)
    assert asterisk.told == ["core restart when convenient"]


def test_what_waited_is_kept_with_the_wish(node: Node) -> None:
    node.rtp_first_served, node.rtp_last_served = 10_000, 10_500
    assert restarts.wish(node, "quiet").why == node.owed_to_restart != []
