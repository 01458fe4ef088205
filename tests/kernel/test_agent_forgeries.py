"""What is thrown at the agent's socket. The whole proof: `python -m tests.kernel.forging`."""

import time

import pytest

from lab.process import wait_until
from tests.kernel.bench import Bench
from tests.kernel.forging import Forger, as_nobody, forge, slow
from tests.scale import scaled

pytestmark = pytest.mark.kernel
GROWTH = 20_000  # kB: what one message of the greatest size may leave behind in the heap


def test_forged_requests_change_no_rule_and_leave_nothing_behind(bench: Bench) -> None:
    before = bench.rules(4), bench.rules(6)
    tally = forge(bench, scaled(1500, 50_000))
    assert tally.accepted == []
    assert (bench.rules(4), bench.rules(6)) == before
    assert tally.files_after <= tally.files_before
    assert tally.memory_after <= tally.memory_before + GROWTH
    assert bench.channel.status()["in_force"] is True


def test_a_hundred_slow_clients_keep_nobody_out_for_longer_than_a_message_may_take(
    bench: Bench,
) -> None:
    before = bench.rules(4)
    silent = slow(bench, 100)

    def answers() -> bool:
        try:
            return bool(bench.channel.status()["in_force"])
        except Exception:
            return False

    begun = time.monotonic()
    try:
        wait_until(answers, 30, "the agent answers an honest client again")
    finally:
        for one in silent:
            one.close()
    assert (bench.rules(4), time.monotonic() - begun < 30) == (before, True)


def test_another_user_gets_no_word_in(bench: Bench) -> None:
    before = bench.rules(4)
    met = {as_nobody(bench, Forger(seed).message()[1]) for seed in range(20)}
    assert met <= {"PermissionError", "no such user here"}
    assert bench.rules(4) == before
