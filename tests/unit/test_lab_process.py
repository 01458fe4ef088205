"""Children that end with their owner, and services that are kept alive."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.process import Process, start_time, wait_until
from lab.supervise import Service, Supervisor

pytestmark = pytest.mark.unit

SLEEP = ("sleep", "60")
STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")


def gone(pid: int) -> bool:
    return start_time(pid) is None


def number_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), 5, str(path))
    return int(path.read_text())


def test_a_stopped_process_is_gone() -> None:
    process = Process.start(SLEEP)
    process.stop()
    assert gone(process.pid)


def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process.start(STUBBORN, log=log)
    wait_until(lambda: log.read_text() != "", 5, "its first line")
    assert process.stop(0.1) == -signal.SIGKILL


def test_what_a_process_left_behind_is_ended_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    process = Process.start(["sh", "-c", f"sleep 60 & echo $! > {file}; wait"])
    child = number_in(file)
    process.stop()
    wait_until(lambda: gone(child), 5, "the end of its child")


def test_a_second_stop_does_nothing() -> None:
    process = Process.start(["true"])
    process.wait(5)
    assert process.stop() == process.stop() == 0


def test_the_pidfile_names_the_process_while_it_runs(tmp_path: Path) -> None:
    pidfile = tmp_path / "run" / "x.pid"
    with Process.start(SLEEP, pidfile=pidfile) as process:
        assert pidfile.read_text() == f"{process.pid}\n"


def test_the_pidfile_goes_with_the_process(tmp_path: Path) -> None:
    pidfile = tmp_path / "x.pid"
    Process.start(SLEEP, pidfile=pidfile).stop()
    assert not pidfile.exists()


def test_output_goes_to_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    process = Process.start(["sh", "-c", "echo out; echo $WORD >&2"], {"WORD": "err"}, log=log)
    process.wait(5)
    process.stop()
    assert log.read_text() == "before\nout\nerr\n"


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program"):
        Process.start(["no-such-program"])


def test_a_process_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    owner = f"""
        import time
        from pathlib import Path
        from lab.process import Process
        Process.start(["sleep", "60"], pidfile=Path({str(file)!r}))
        time.sleep(60)
    """
    root = Path(__file__).parents[2]
    started = subprocess.Popen([sys.executable, "-c", textwrap.dedent(owner)], cwd=root)
    child = number_in(file)
    started.kill()
    started.wait()
    wait_until(lambda: gone(child), 5, "the end of the child")


def test_a_process_that_is_gone_has_no_start_time() -> None:
    process = Process.start(["true"])
    process.stop()
    assert start_time(process.pid) is None


@pytest.mark.parametrize("name", ["", "Web", "../x", "a b", "web\n"])
def test_a_service_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a service"):
        Service(name, SLEEP)


def test_a_service_that_was_killed_is_restarted(tmp_path: Path) -> None:
    with Supervisor(tmp_path, lambda _: None) as supervisor:
        first = supervisor.start(Service("sleeper", SLEEP)).pid
        os.kill(first, signal.SIGKILL)
        supervisor.watch(0.5)
        assert supervisor.pid("sleeper") not in {first, None}


def test_a_service_that_keeps_dying_is_restarted_ever_more_slowly(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, said.append) as supervisor:
        supervisor.start(Service("dying", ("sh", "-c", "exit 3")))
        supervisor.watch(0.8)
    assert said[:2] == [
        "dying ended with 3: restart in 0.2 s",
        "dying ended with 3: restart in 0.4 s",
    ]


def test_a_service_that_ends_at_its_start_is_reported_with_its_log(tmp_path: Path) -> None:
    service = Service("broken", ("sh", "-c", "echo no port; exit 1"), ready=lambda: False)
    with (
        Supervisor(tmp_path) as supervisor,
        pytest.raises(LabError, match="broken ended at its start: no port"),
    ):
        supervisor.start(service)


def test_a_service_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    service = Service("slow", SLEEP, ready=lambda: False, ready_timeout=0.1)
    with Supervisor(tmp_path) as supervisor, pytest.raises(LabError, match=r"not within 0\.1 s"):
        supervisor.start(service)
    assert not (tmp_path / "run" / "slow.pid").exists()


def test_services_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    log = tmp_path / "order"
    command = 'trap "echo $0 >> $1; exit" TERM; echo up; while :; do sleep 0.02; done'
    with Supervisor(tmp_path) as supervisor:
        for name in ("first", "second"):
            supervisor.start(
                Service(
                    name,
                    ("sh", "-c", command, name, str(log)),
                    ready=lambda name=name: supervisor.log(name).stat().st_size > 0,  # type: ignore[misc]
                )
            )
    assert log.read_text().split() == ["second", "first"]


def test_end_lets_watch_return_from_another_thread(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Service("sleeper", SLEEP))
        timer = threading.Timer(0.05, supervisor.end)
        timer.start()
        supervisor.watch(20)
        timer.join()
        assert supervisor.pid("sleeper") > 0
