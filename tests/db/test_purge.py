"""What strangers and clocks write does not grow for ever."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from ddiweb.live import purge
from ddiweb.live.models import SecurityEvent
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]
OLD = timedelta(days=91)


@pytest.fixture
def node() -> Node:
    return factories.node()


def deployment(node: Node, state: State, age: timedelta) -> Deployment:
    now = timezone.now()
    row = Deployment.objects.create(
        node=node, generation=1, reason="test", state=state, finished_at=now
    )
    Deployment.objects.filter(pk=row.pk).update(created_at=now - age)
    return row


def test_old_deployments_go_and_the_newest_of_a_node_stays(node: Node) -> None:
    deployment(node, State.DONE, OLD)
    waiting = deployment(node, State.PENDING, OLD)
    young = deployment(node, State.DONE, timedelta(days=1))
    other = deployment(factories.node(), State.REFUSED, OLD)
    purge.purge()
    assert set(Deployment.objects.all()) == {waiting, young, other}


def test_old_security_events_go(node: Node) -> None:
    for age in (OLD, timedelta(0)):
        SecurityEvent.objects.create(node=node, at=timezone.now() - age, kind="wrong_password")
    assert purge.purge()["security events"] == 1


def test_a_flood_of_security_events_is_cut_to_the_newest(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MOST_EVENTS", 3)
    for number in range(8):
        SecurityEvent.objects.create(node=node, at=timezone.now(), kind=f"n{number}")
    purge.purge()
    assert {row.kind for row in SecurityEvent.objects.all()} == {"n5", "n6", "n7"}


def test_beat_asks_for_it(settings: LazySettings) -> None:
    assert "ddiweb.live.tasks.purge" in {
        entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()
    }
