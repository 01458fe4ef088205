"""Trusted time: what a wrong, changed or hostile wall clock can and can't do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ddiweb import clock
from ddiweb.clock import Sources, TrustedClock
from ddiweb.live.models import ClockReading
from peers import services
from peers.choices import TokenState
from peers.models import Peer
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
STEPS = [timedelta(hours=1), -timedelta(hours=1), timedelta(days=1), -timedelta(days=1)]


@dataclass
class Machine:
    """A machine whose clocks are the test's."""

    wall: datetime = NOON
    seconds: float = 100.0
    boot: str = "boot-1"
    name: str = "machine"
    clock: TrustedClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = self.process()

    def process(self) -> TrustedClock:
        """The clock of another process on this machine."""
        return TrustedClock(
            Sources(
                lambda: self.boot, lambda: int(self.seconds * 1e6), lambda: self.wall, self.name
            )
        )

    def passes(self, seconds: float) -> None:
        """Let real time pass."""
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def reboots(self, wall: datetime) -> None:
        """Start anew, with what the hardware clock says then."""
        self.boot, self.seconds, self.wall = self.boot + "x", 3.0, wall
        self.clock = self.process()


def test_the_first_reading_is_the_wall_clock() -> None:
    assert Machine().clock.now() == NOON


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_setting_the_wall_clock_moves_no_trusted_time(step: timedelta) -> None:
    machine = Machine()
    machine.clock.now()
    machine.wall += step
    machine.passes(7)
    assert machine.clock.now() == NOON + timedelta(seconds=7)
    assert machine.process().now() == NOON + timedelta(seconds=7)


def test_keeping_the_time_writes_at_most_every_few_seconds_and_shifts_nothing() -> None:
    machine = Machine()
    machine.clock.now()
    written = 0
    for _ in range(20):
        machine.passes(1)
        written += machine.clock.keep()
    assert written == 5
    assert machine.process().now() == NOON + timedelta(seconds=20)


def test_a_slow_process_does_not_write_an_older_time_over_a_newer_one() -> None:
    machine = Machine()
    machine.clock.now()
    machine.passes(10)
    machine.clock.keep()
    kept = ClockReading.objects.get().trusted
    machine.seconds -= 6
    machine.process().keep()
    assert ClockReading.objects.get().trusted == kept


def test_time_never_goes_back_for_a_process_whose_boottime_is_behind() -> None:
    machine = Machine()
    machine.clock.now()
    machine.passes(10)
    machine.clock.keep()
    machine.seconds -= 9
    assert machine.process().now() >= NOON + timedelta(seconds=10)


def test_after_a_reboot_time_goes_on_from_a_wall_clock_that_is_later() -> None:
    machine = Machine()
    machine.clock.now()
    machine.reboots(NOON + timedelta(minutes=5))
    machine.passes(2)
    assert machine.clock.now() == NOON + timedelta(minutes=5, seconds=2)


def test_after_a_reboot_with_a_clock_of_the_past_time_goes_on_from_the_last_reading() -> None:
    machine = Machine()
    machine.clock.now()
    machine.passes(60)
    machine.clock.keep()
    machine.reboots(datetime(1970, 1, 1, tzinfo=UTC))
    assert machine.clock.now() == NOON + timedelta(seconds=60)


def test_two_processes_that_start_after_a_reboot_read_the_same() -> None:
    machine = Machine()
    machine.clock.now()
    machine.reboots(NOON + timedelta(minutes=5))
    first = machine.clock.now()
    machine.wall += timedelta(days=1)
    assert machine.process().now() == first


def test_each_machine_keeps_a_row_of_its_own() -> None:
    here, there = Machine(), Machine(name="other", wall=NOON + timedelta(hours=3))
    assert (here.clock.now(), there.clock.now()) == (NOON, NOON + timedelta(hours=3))


def test_a_person_may_accept_the_wall_clock_and_every_process_follows() -> None:
    machine = Machine()
    other = machine.process()
    machine.clock.now(), other.now()
    machine.wall -= timedelta(hours=1)
    assert machine.clock.ahead_of_wall() == timedelta(hours=1)
    assert machine.clock.accept_wall() == -timedelta(hours=1)
    machine.passes(6)
    assert machine.clock.now() == other.now() == machine.wall


@pytest.fixture
def rotated(monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, Peer]:
    """A phone with a grace of 100 s, on a machine whose clocks are the test's."""
    machine = Machine()
    monkeypatch.setattr(clock, "trusted", machine.clock)
    peer = factories.peer(factories.node())
    services.peer_created(peer)
    services.rotate([peer], grace=timedelta(seconds=100))
    return machine, peer


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_grace_ends_after_its_real_time_whatever_the_wall_clock_does(
    rotated: tuple[Machine, Peer], step: timedelta
) -> None:
    machine, peer = rotated
    machine.wall += step
    machine.passes(99)
    assert services.expire_tokens() == 0
    machine.passes(1)
    assert services.expire_tokens() == 1
    assert peer.tokens.order_by("pk")[0].state == TokenState.REVOKED


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_rotation_asked_for_after_the_clock_was_set_lasts_its_real_time(
    rotated: tuple[Machine, Peer], step: timedelta
) -> None:
    machine, _ = rotated
    machine.wall += step
    peer = factories.peer(factories.node())
    services.peer_created(peer)
    services.rotate([peer], grace=timedelta(seconds=50))
    machine.passes(49)
    assert services.expire_tokens() == 0
    machine.passes(1)
    assert services.expire_tokens() == 1


def test_the_kernels_own_clock_is_what_the_panel_reads() -> None:
    boot = clock.trusted.now()
    assert abs(clock.trusted.ahead_of_wall()) < timedelta(seconds=5)
    assert clock.now() >= boot
