"""A command beside `make run` waits for one that is starting, and for nothing else."""

import fcntl
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import beside
from lab.errors import LabError
from lab.keys import Places


@pytest.fixture
def where(tmp_path: Path) -> Places:
    places = Places(tmp_path)
    places.run.mkdir()
    return places


@pytest.fixture
def starting(where: Places) -> Iterator[None]:
    with (where.run / "sandbox.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_without_a_sandbox_it_says_so_at_once(where: Places) -> None:
    with pytest.raises(LabError, match="no sandbox runs here"):
        beside.state(where)


def test_what_a_killed_sandbox_left_is_no_sandbox(where: Places) -> None:
    where.state.write_text(json.dumps({"dry_run": False}))
    (where.run / "sandbox.lock").touch()
    with pytest.raises(LabError, match="no sandbox runs here"):
        beside.state(where)


@pytest.mark.usefixtures("starting")
def test_a_sandbox_that_starts_is_waited_for(
    where: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = json.dumps({"dry_run": True})
    timer = threading.Timer(0.3, where.state.write_text, [ready])
    timer.start()
    assert beside.state(where, patience=10)["dry_run"] is True
    timer.join()
    assert "still starting; waiting" in capsys.readouterr().err


@pytest.mark.usefixtures("starting")
def test_a_sandbox_that_never_is_ready_is_given_up(where: Places) -> None:
    with pytest.raises(LabError, match="not ready after 0 s"):
        beside.state(where, patience=0)
