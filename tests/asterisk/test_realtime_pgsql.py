"""The same Asterisk on PostgreSQL, with a role that may only read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lab.phones import PjsuaPhone
from lab.postgres import postgres_cluster
from lab.vendor import FIRST, SECOND, SERVER, VENDOR_TONE_HZ
from peers.realtime.facts import StepFacts
from peers.realtime.hours import ScheduleFacts, TimeFacts
from peers.realtime.store_pgsql import PgsqlStore
from tests.asterisk.conftest import (
    LONDON,
    PARIS,
    PASSWORD,
    PHONE_TONE_HZ,
    Bench,
    bench_on,
    ring,
    snapshot,
)
from tests.asterisk.outside import ALLOWED, TRUNKS, allow, call, taking


@pytest.fixture(scope="module")
def pgsql_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("pg")
    with postgres_cluster(folder / "db") as cluster:
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE realtime")
            connection.execute("CREATE ROLE asterisk LOGIN")
        store = PgsqlStore(cluster.url("realtime"), "writer")
        store.create_schema()
        store.grant_reader("asterisk")
        theirs = cluster.url("realtime").replace("postgres@", "asterisk@")
        with bench_on(folder / "lab", store, theirs) as bench:
            bench.apply(snapshot())
            yield bench


@pytest.fixture
def registered(pgsql_bench: Bench, tmp_path: Path) -> Iterator[PjsuaPhone]:
    ns = pgsql_bench.world.ns["phone"]
    with PjsuaPhone(ns, tmp_path, tone_hz=PHONE_TONE_HZ) as phone:
        assert phone.register("alice", PASSWORD, SERVER).registered
        yield phone


def test_a_call_passes_audio_both_ways(pgsql_bench: Bench, registered: PjsuaPhone) -> None:
    call = pgsql_bench.vendor().call_with_audio(LONDON, registered)
    assert (call.vendor_heard.hz, call.phone_heard.hz) == (PHONE_TONE_HZ, VENDOR_TONE_HZ)


def test_unknown_and_foreign_numbers_are_404(pgsql_bench: Bench, registered: PjsuaPhone) -> None:
    calls = [pgsql_bench.vendor().call(ddi).status for ddi in ("442079460199", PARIS)]
    assert calls == [404, 404]


def test_a_changed_route_is_in_force_at_the_next_call(
    pgsql_bench: Bench, registered: PjsuaPhone
) -> None:
    pgsql_bench.apply(snapshot(steps=(StepFacts(1, "reject", cause="busy"),)))
    busy = pgsql_bench.vendor().call(LONDON).status
    pgsql_bench.apply(snapshot())
    assert (busy, pgsql_bench.vendor().call(LONDON).status) == (486, 200)


def test_a_strangers_invite_is_401(pgsql_bench: Bench) -> None:
    stranger = pgsql_bench.vendor("203.0.113.66", "attacker")
    assert stranger.call(LONDON, "trunk_1").status == 401


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        # Closed: the step behind, which has no hours, is taken all the same.
        ((), 486),
        # A holiday long ago, then a line without dates, which so holds on each day.
        ((TimeFacts(False, first="20200101", last="20200102"), TimeFacts(True)), 200),
    ],
)
def test_what_a_row_leaves_blank_is_not_taken_from_the_row_before(
    pgsql_bench: Bench, registered: PjsuaPhone, lines: tuple[TimeFacts, ...], seen: int
) -> None:
    steps = (replace(ring(), schedule="schedule_1"), StepFacts(2, "reject", cause="busy"))
    hours = (ScheduleFacts("schedule_1", "UTC", lines),)
    pgsql_bench.apply(replace(snapshot(steps=steps), schedules=hours))
    assert pgsql_bench.vendor().call(LONDON).status == seen


def test_the_second_trunk_does_not_write_numbers_as_the_first_one_wants_them(
    pgsql_bench: Bench,
) -> None:
    first, second = TRUNKS
    allow(pgsql_bench, vendors=(replace(first, prefix_out="99"), second))
    with taking(pgsql_bench, FIRST, 503), taking(pgsql_bench, SECOND) as other:
        assert call(pgsql_bench, f"+{ALLOWED}")[0].status == 200
    assert other.dialled == [f"+{ALLOWED}"]
