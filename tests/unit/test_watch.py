"""When the watch looks again: whatever it missed is mended soon, also after a slow reading."""

import threading
import time

import pytest

from ddiweb.deploy.errors import Retryable
from ddiweb.live.watch import LONGEST_WAIT, PING, RARELY, SETTLE, Reading, Watch
from peers.realtime.ami import AmiClient


@pytest.fixture
def watch() -> Watch:
    """One that has read everything just now, slowly."""
    made = Watch("node", threading.Event())
    for one in made.all:
        one.rest(6.0)
    return made


def _due(one: Reading) -> float:
    return one.at - time.monotonic()


def test_a_list_is_read_again_soon_even_if_its_last_reading_was_slow(watch: Watch) -> None:
    assert max(map(_due, (watch.contacts, watch.channels, watch.trunks, watch.tolls))) <= RARELY


def test_a_list_of_a_twentieth_of_a_second_is_read_each_second() -> None:
    one = Reading(lambda *_: None, 1.0)
    one.rest(0.05)
    assert _due(one) <= 1.0


class Asterisk(AmiClient):
    """One that has booted, or does not come to it."""

    def __init__(self, *, boots: bool) -> None:
        super().__init__("127.0.0.1", 5038, "ddiweb", "never sent")
        self.boots = boots

    def wait_booted(self, wait: float = 30.0) -> None:
        """Return if it has."""
        if not self.boots:
            raise Retryable("AMI: Asterisk is still booting")


def test_everything_is_read_anew_once_asterisk_has_booted(watch: Watch) -> None:
    watch.begin(Asterisk(boots=True))
    assert max(map(_due, watch.all)) <= 0


def test_nothing_is_read_of_an_asterisk_that_boots(watch: Watch) -> None:
    due = [one.at for one in watch.all]
    with pytest.raises(Retryable):
        watch.begin(Asterisk(boots=False))
    assert [one.at for one in watch.all] == due


def test_what_the_watch_may_wait_for_in_turn_is_less_than_half_a_minute(watch: Watch) -> None:
    noticed = PING + 5.0  # a dead peer: a ping and its answer's time
    connected = LONGEST_WAIT * 1.2
    assert noticed + connected + SETTLE < 30
    assert max(map(_due, (watch.contacts, watch.channels, watch.trunks))) + connected < 30
