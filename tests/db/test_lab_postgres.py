"""The private PostgreSQL that tests use."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.process import start_time
from lab.tools import postgres_cluster, tool

pytestmark = pytest.mark.db


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a Unix socket."""
    path = Path(tempfile.mkdtemp(prefix="pg."))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def ask(host: Path, statement: str) -> str:
    line = tool("psql").line("-h", str(host), "-U", "postgres", "-Atc", statement)
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()


def test_a_cluster_answers_and_keeps_its_data(folder: Path) -> None:
    with postgres_cluster(folder / "c") as cluster:
        ask(cluster.host, "CREATE TABLE t AS SELECT 41 + 1 AS n")
    with postgres_cluster(folder / "c") as cluster:
        assert ask(cluster.host, "SELECT n FROM t") == "42"


def test_a_cluster_ends_with_its_context(folder: Path) -> None:
    with postgres_cluster(folder / "c") as cluster:
        pid = cluster.pid
    assert start_time(pid) is None


def test_a_cluster_starts_again_after_it_was_killed(folder: Path) -> None:
    with postgres_cluster(folder / "c") as cluster:
        os.kill(cluster.pid, 9)
    with postgres_cluster(folder / "c") as cluster:
        assert ask(cluster.host, "SELECT 1") == "1"


def test_only_its_owner_reaches_a_cluster(folder: Path) -> None:
    with postgres_cluster(folder / "c") as cluster:
        assert stat.S_IMODE(cluster.host.stat().st_mode) == 0o700
        assert ask(cluster.host, "SHOW listen_addresses") == ""


def test_a_path_too_long_for_a_socket_is_refused(folder: Path) -> None:
    with pytest.raises(LabError, match="too long"), postgres_cluster(folder / ("x" * 100)):
        pass
