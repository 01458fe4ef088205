"""When vendors' names are looked up, by whom, and what a clock that is set does to a grace."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings

from peers import tasks, vendor_lookups
from peers.models import TrunkAddress
from tests import factories
from tests.db.vendor_names import NAME, World, name_server, world

pytestmark = [pytest.mark.db, pytest.mark.django_db]
__all__ = ["name_server", "world"]


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=4), timedelta(days=-4)])
def test_a_clock_that_is_set_ends_no_grace_early(world: World, jump: timedelta) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    world.now += jump
    world.live(71)
    assert world.let_in() == ["203.0.113.20", "203.0.113.21"]
    world.live(2)
    assert world.let_in() == ["203.0.113.21"]


def test_a_clock_that_is_set_and_put_right_again_costs_no_grace(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    world.server.says(NAME, "203.0.113.21")
    world.look()
    ends = TrunkAddress.objects.get(address="203.0.113.20").expires_at
    for jump in (timedelta(days=30), timedelta(days=-30)):
        world.now += jump
        world.look()
    assert TrunkAddress.objects.get(address="203.0.113.20").expires_at == ends


def test_a_clock_that_was_set_back_stops_no_lookup(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    past = world.now - timedelta(days=300)
    assert [due.name for due in vendor_lookups.claim(past)] == [NAME]


def test_a_name_is_due_when_its_record_ends_and_within_ten_minutes(world: World) -> None:
    waits = {}
    for ttl in (0, 60, 300, 86_400):
        world.server.ttl = ttl
        world.server.says(NAME, "203.0.113.20")
        world.look()
        waits[ttl] = (world.fresh().next_check_at - world.now).total_seconds()
    # Half a beat early, so that the tick of that very minute finds it.
    assert waits == {0: 30, 60: 30, 300: 270, 86_400: 570}


def test_a_name_that_is_not_due_is_not_asked(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    asked = world.server.asked.total()
    assert vendor_lookups.run(lambda: world.now) == 0
    assert world.server.asked.total() == asked


def test_one_run_takes_a_limited_number_of_names_and_the_next_the_others(world: World) -> None:
    for number in range(vendor_lookups.MOST_NAMES):
        factories.host(world.trunk, f"s{number}.vendor.example")
    first = vendor_lookups.claim(world.now)
    second = vendor_lookups.claim(world.now)
    assert (len(first), len(second)) == (vendor_lookups.MOST_NAMES, 1)


def test_of_two_workers_one_looks_a_name_up(world: World) -> None:
    assert len(vendor_lookups.claim(world.now)) == 1
    assert vendor_lookups.claim(world.now) == []


def test_names_of_a_trunk_that_is_off_are_not_looked_up_and_not_let_in(world: World) -> None:
    world.server.says(NAME, "203.0.113.20")
    world.look()
    type(world.trunk).objects.update(enabled=False)
    asked = world.server.asked.total()
    world.look()
    assert world.let_in() == []
    assert world.server.asked.total() == asked


def test_the_clockwork_looks_names_up_as_often_as_the_setting_says(world: World) -> None:
    entry = django_settings.CELERY_BEAT_SCHEDULE["vendor-names"]
    assert (entry["task"], entry["schedule"]) == (tasks.resolve_vendors.name, 60.0)
    world.server.says(NAME, "203.0.113.20")
    assert tasks.resolve_vendors() == 1
