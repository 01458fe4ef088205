"""The panel of the sandbox keeps its port from one start to the next."""

from pathlib import Path

from lab import parts
from lab.keys import Places


def test_the_port_of_the_last_start_is_known(tmp_path: Path) -> None:
    where = Places(tmp_path)
    where.run.mkdir()
    parts.remember_port(where, 8042)
    assert parts.last_port(where) == 8042


def test_without_a_last_start_it_is_the_first(tmp_path: Path) -> None:
    assert parts.last_port(Places(tmp_path)) == parts.FIRST_PORT


def test_what_is_no_port_of_ours_is_not_taken(tmp_path: Path) -> None:
    where = Places(tmp_path)
    where.run.mkdir()
    parts.remember_port(where, 22)
    assert parts.last_port(where) == parts.FIRST_PORT
