"""The realtime database, the same suite on SQLite and on PostgreSQL."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ddiweb.deploy.errors import Refused, Retryable
from lab.postgres import Cluster, postgres_cluster
from peers.realtime import schema
from peers.realtime.diff import Change, diff
from peers.realtime.facts import (
    AccountFacts,
    NodeFacts,
    NumberFacts,
    PeerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)
from peers.realtime.render import render
from peers.realtime.rows import Row, Rows
from peers.realtime.store import Role, Store, open_store

NODE = NodeFacts("lab", "ddi.lab")
ALICE = PeerFacts("peer_1", "alice", "0" * 32, display_name="Ada Löfgren")
SNAPSHOT = Snapshot(
    NODE,
    (TrunkFacts("trunk_1", ("203.0.113.20/32",)),),
    (ALICE,),
    (NumberFacts("442079460123", "trunk_1", "Büro", (StepFacts(1, "ring", ("peer_1",)),)),),
)
ROWS = render(SNAPSHOT)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with postgres_cluster(tmp_path_factory.mktemp("pg")) as made:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute("CREATE ROLE asterisk LOGIN")
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'realtime.sqlite3'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS realtime WITH (FORCE)")
        connection.execute("CREATE DATABASE realtime")
    return cluster.url("realtime")


@pytest.fixture
def store(url: str) -> Store:
    made = open_store(url)
    made.create_schema()
    return made


def _apply(store: Store, wanted: Rows, fence: int) -> Change:
    change = diff(wanted, store.read())
    store.write(change, fence)
    return change


#: Address, port and time of a phone's registration.
Registration = tuple[str, str, str]
FRESH = ("203.0.113.9", "32000", "1000")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (("203.0.113.9", "4569", "0"), FRESH),
        (("198.51.100.7", "31000", "0"), FRESH),
        (("198.51.100.7", "31000", "1050"), ("198.51.100.7", "31000", "1050")),
        (("", "", "0"), ("", "", "0")),
        (("(null)", "0", "0"), ("(null)", "0", "0")),
    ],
    ids=["a timer's end", "a timer's end after a move", "the next one", "a leave", "an end"],
)
def test_an_iax2_phone_is_not_made_away_by_the_timer_of_an_earlier_registration(
    url: str, store: Store, written: Registration, kept: Registration
) -> None:
    account = AccountFacts("ddi-abcdefgh-" + "k" * 26, iax_secret="p" * 12)
    phone = replace(ALICE, token_accounts=(account,))
    _apply(store, render(replace(SNAPSHOT, peers=(phone,))), 1)
    assert _iax(url, FRESH) == FRESH
    assert _iax(url, written) == kept


def _iax(url: str, written: Registration) -> Registration:
    """What stands there after Asterisk wrote where the phone is, and when it registered."""
    mark = "%s" if url.startswith("postgres") else "?"
    place = url if url.startswith("postgres") else url.removeprefix("sqlite:///")
    opened: Any = psycopg.connect(place) if mark == "%s" else sqlite3.connect(place)
    with closing(opened) as connection:
        cursor = connection.cursor()
        sets = f"ipaddr = {mark}, port = {mark}, regseconds = {mark}"
        cursor.execute(f"UPDATE ddi_iax SET {sets}", written)  # noqa: S608
        connection.commit()
        cursor.execute("SELECT ipaddr, port, regseconds FROM ddi_iax")
        (row,) = cursor.fetchall()
    return row[0], row[1], row[2]


def test_a_new_database_is_empty(store: Store) -> None:
    assert (len(store.read()), store.fence(), store.owed()) == (0, 0, ())


def test_what_was_written_is_read_back(store: Store) -> None:
    _apply(store, ROWS, 1)
    assert store.read() == ROWS


def test_the_same_rows_again_are_no_change(store: Store) -> None:
    _apply(store, ROWS, 1)
    assert _apply(store, ROWS, 2).empty


def test_updates_and_deletes_reach_the_database(store: Store) -> None:
    _apply(store, ROWS, 1)
    after = render(replace(SNAPSHOT, peers=(replace(ALICE, codecs=("g722",)),), numbers=()))
    _apply(store, after, 2)
    assert store.read() == after


def test_making_the_schema_twice_keeps_the_rows(store: Store) -> None:
    _apply(store, ROWS, 1)
    store.create_schema()
    assert store.read() == ROWS


def test_a_lower_fence_is_refused_and_writes_nothing(store: Store) -> None:
    _apply(store, ROWS, 7)
    with pytest.raises(Refused, match="fence 6"):
        store.write(diff(Rows(), store.read()), 6)
    assert (store.read(), store.fence()) == (ROWS, 7)


def test_the_same_fence_may_write_again(store: Store) -> None:
    _apply(store, ROWS, 7)
    _apply(store, Rows(), 7)
    assert len(store.read()) == 0


def test_a_row_that_changed_meanwhile_is_not_overwritten(store: Store) -> None:
    _apply(store, ROWS, 1)
    stale = diff(render(replace(SNAPSHOT, peers=(replace(ALICE, codecs=("g722",)),))), store.read())
    other = render(replace(SNAPSHOT, peers=(replace(ALICE, codecs=("ulaw",)),)))
    _apply(store, other, 2)
    with pytest.raises(Retryable):
        store.write(stale, 3)
    assert (store.read(), store.fence()) == (other, 2)


def test_a_row_that_is_there_already_is_not_inserted(store: Store) -> None:
    stale = diff(ROWS, store.read())
    _apply(store, ROWS, 1)
    with pytest.raises(Retryable):
        store.write(stale, 2)
    assert store.read() == ROWS


def test_a_change_is_written_whole_or_not_at_all(store: Store) -> None:
    bad = Row("ddi_numbers", "trunk_1-1", ("a;b", "ring", "open", "0"))
    with pytest.raises(Refused):
        store.write(Change(inserts=(*ROWS.rows, bad)), 1)
    assert (len(store.read()), store.fence()) == (0, 0)


def test_a_value_with_quotes_is_carried_as_it_is(store: Store) -> None:
    values = ("digest", "u", "", "a'b\"c,$d\\--%s?", "", "MD5", "MD5")
    wanted = Rows.of([Row("ps_auths", "t-out", values)])
    _apply(store, wanted, 1)
    assert store.read() == wanted


def test_what_is_owed_is_written_with_the_rows_and_crossed_out(store: Store) -> None:
    store.write(diff(ROWS, store.read()), 1, owed=["reload res_pjsip.so"])
    owed = store.owed()
    store.paid("reload res_pjsip.so")
    assert (owed, store.owed()) == (("reload res_pjsip.so",), ())


def test_a_reader_can_not_write(store: Store, url: str) -> None:
    reader = open_store(url, "reader")
    with pytest.raises(Refused):
        reader.write(diff(ROWS, reader.read()), 1)


def test_two_writers_at_once_do_not_mix(store: Store) -> None:
    wanted = [render(replace(SNAPSHOT, numbers=())), ROWS]
    failures: list[Exception] = []

    def write(rows: Rows) -> None:
        for fence in range(1, 16):
            try:
                _apply(store, rows, 100 + fence)
            except (Retryable, Refused):
                continue
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(rows,)) for rows in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.read() in wanted


def test_every_column_is_text_that_is_never_null(store: Store, url: str) -> None:
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            columns = [
                column
                for table in schema.TABLES
                for column in connection.execute(f"PRAGMA table_info({table.name})")
            ]
        assert all(column[2] == "TEXT" and column[3] == 1 for column in columns)
        return
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT is_nullable FROM information_schema.columns WHERE table_schema = 'public' "
            "AND table_name NOT IN ('ddi_static', 'ddi_calls')"
        ).fetchall()
    assert {row[0] for row in found} == {"NO"}


def test_a_number_comes_with_its_first_step_and_without_null(store: Store, url: str) -> None:
    bare = replace(SNAPSHOT.numbers[0], key="442079460124")
    _apply(store, ROWS, 1)
    _apply(store, Rows.of([*ROWS.rows, *_without_steps(bare)]), 2)
    asked = "SELECT id, display, kind, target, named FROM ddi_calls ORDER BY id"
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            found = connection.execute(asked).fetchall()
    else:
        with psycopg.connect(url) as postgresql:
            found = postgresql.execute(asked).fetchall()
    assert found == [
        ("trunk_1-442079460123", "Büro", "ring", "alice", ""),
        ("trunk_1-442079460124", "Büro", "", "", ""),
    ]


def _without_steps(number: NumberFacts) -> tuple[Row, ...]:
    return render(replace(SNAPSHOT, numbers=(number,))).table("ddi_numbers")


def test_asterisks_role_reads_rows_and_can_do_nothing_else(cluster: Cluster) -> None:
    from peers.realtime.store_pgsql import PgsqlStore

    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS granted WITH (FORCE)")
        connection.execute("CREATE DATABASE granted")
    store = PgsqlStore(cluster.url("granted"), "writer")
    store.create_schema()
    store.grant_reader("asterisk")
    theirs = cluster.url("granted").replace("postgres@", "asterisk@")
    with psycopg.connect(theirs, autocommit=True) as connection:
        connection.execute("SELECT * FROM ps_endpoints")
        connection.execute("SELECT * FROM ddi_calls")
        for statement in ("DELETE FROM ps_auths", "SELECT * FROM ddi_fence", "CREATE TABLE x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize(
    "bad", ["mysql://x/y", "sqlite:relative", "sqlite://host/path", "", "sqlite:///a\0b"]
)
def test_another_kind_of_url_is_refused_without_repeating_it(bad: str) -> None:
    with pytest.raises(Refused) as refusal:
        open_store(bad)
    assert "host" not in str(refusal.value)


def test_a_role_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        open_store(f"sqlite:///{tmp_path}/x", "owner")  # type: ignore[arg-type]


def test_an_unreachable_database_is_retryable(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none/x", f"postgresql://u:hunter2@/x?host={tmp_path}"):
        role: Role = "writer"
        with pytest.raises(Retryable) as refusal:
            open_store(url, role).read()
        assert "hunter2" not in str(refusal.value)
