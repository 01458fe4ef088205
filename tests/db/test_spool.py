"""Call records come from Asterisk's file into the database: each once, whatever happens between."""

from pathlib import Path

import pytest
from django.db import DatabaseError

from ddiweb.deploy.models import Node
from ddiweb.live import record, spool
from ddiweb.live.models import Call, SpoolMark
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def line(number: int, sequence: int = 0, peer: str = "ada-mobile") -> str:
    """A record of call ``number``."""
    return (
        f"1,1795478400.{number},{sequence},1795478400.{number},1795478400.250000,0.000000,"
        f"1795478465.750000,65,0,NO%20ANSWER,trunk_1,442079460123,%2B441632960111,442079460123,"
        f"PJSIP%2Ftrunk_1-00000001,PJSIP%2F{peer}-00000002\n"
    )


@pytest.fixture
def node() -> Node:
    return factories.node()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ddiweb.csv"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_record_is_stored_once_however_often_one_looks(node: Node, path: Path) -> None:
    append(path, line(1))
    assert [spool.collect(node, path).records for _ in range(3)] == [1, 0, 0]
    assert Call.objects.count() == 1


def test_what_was_written_while_nobody_looked_is_found(node: Node, path: Path) -> None:
    append(path, line(1))
    spool.collect(node, path)
    append(path, "".join(line(number) for number in range(2, 50)))
    assert spool.collect(node, path).records == 48


def test_half_a_line_waits_for_its_end(node: Node, path: Path) -> None:
    append(path, line(1) + line(2)[:40])
    assert spool.collect(node, path).records == 1
    append(path, line(2)[40:])
    assert spool.collect(node, path).records == 1


def test_two_legs_to_the_same_phone_are_two_records(node: Node, path: Path) -> None:
    append(path, line(1, 0) + line(1, 1))
    spool.collect(node, path)
    assert Call.objects.count() == 2


def test_a_broken_line_costs_no_other_one(node: Node, path: Path) -> None:
    append(path, line(1) + "=cmd|' /C calc'!A0\n" + line(2))
    assert spool.collect(node, path) == spool.Collected(records=2, broken=1)


def test_a_fault_within_a_portion_stores_none_of_it(
    node: Node, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path, line(1) + line(2))
    store = record.call
    seen: list[str] = []

    def fails_at_the_second(to: Node, one: record.CallRecord) -> None:
        seen.append(one.unique_id)
        if len(seen) == 2:
            raise DatabaseError("the disk is full")
        store(to, one)

    monkeypatch.setattr(record, "call", fails_at_the_second)
    with pytest.raises(DatabaseError):
        spool.collect(node, path)
    assert (Call.objects.count(), SpoolMark.objects.get().offset) == (0, 0)


def test_a_file_that_was_set_aside_is_read_to_its_end(
    node: Node, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROTATE_AT", 10)
    append(path, line(1))
    spool.collect(node, path)
    append(spool.old_of(path), line(2))  # by an Asterisk that had it open
    append(path, line(3))
    assert spool.collect(node, path).records == 2
    assert Call.objects.count() == 3


def test_a_file_set_aside_goes_when_it_is_read_and_long_silent(
    node: Node, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROTATE_AT", 10)
    append(path, line(1))
    spool.collect(node, path)
    monkeypatch.setattr(spool, "KEEP_OLD", -1)
    spool.collect(node, path)
    assert not spool.old_of(path).exists()


def test_a_new_file_in_the_place_of_the_old_one_is_read_from_its_beginning(
    node: Node, path: Path
) -> None:
    append(path, line(1) + line(2))
    spool.collect(node, path)
    path.unlink()
    append(path, line(3) + line(4) + line(5))
    assert spool.collect(node, path).records == 3


def test_no_file_is_no_fault(node: Node, path: Path) -> None:
    assert spool.collect(node, path) == spool.Collected()
