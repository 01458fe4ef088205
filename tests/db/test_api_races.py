"""The API on PostgreSQL, with many editors at once: nobody's edit is lost, no rule is broken."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from lab.tools import postgres_cluster

pytestmark = pytest.mark.db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a PostgreSQL of our own."""
    folder = Path(tempfile.mkdtemp(prefix="pg."))
    try:
        with postgres_cluster(folder / "c") as cluster:
            yield f"postgresql://{cluster.user}@{quote(str(cluster.host), safe='')}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_editors_at_the_same_moment_break_nothing_on_postgresql(database: str) -> None:
    # A process of its own: Django reads its database once, before the first test.
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/db/api_races.py"]
    done = subprocess.run(
        line, cwd=ROOT, env=os.environ | {"DDIWEB_TEST_DATABASE_URL": database},
        capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
