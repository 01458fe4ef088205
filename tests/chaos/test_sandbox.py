"""``make run`` as a person meets it: it starts, a call is real, it ends, and it leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ddiweb.deploy import registry

pytestmark = pytest.mark.chaos
ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 90
GONE_SECONDS = 15


def environment(var: Path) -> dict[str, str]:
    """The environment of a person: nothing of the tests' own settings."""
    kept = ("DDIWEB_LAB_", "DDIWEB_DEBIAN_")
    own = {k: v for k, v in os.environ.items() if not k.startswith("DDIWEB_") or k.startswith(kept)}
    return own | {"DDIWEB_VAR": str(var)}


class Sandbox:
    """One ``make run``, without make."""

    def __init__(self, var: Path, **extra: str) -> None:
        self.var = var
        self.env = environment(var) | extra
        self.out = var / "out.txt"
        var.mkdir(exist_ok=True)
        with self.out.open("w") as out:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "lab.sandbox"],
                cwd=ROOT,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> "Sandbox":
        deadline = time.monotonic() + READY_SECONDS
        while "Ctrl-C" not in self.said():
            assert self.child.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        return self

    def said(self) -> str:
        return self.out.read_text()

    def state(self) -> dict[str, object]:
        return dict(json.loads((self.var / "run" / "sandbox.json").read_text()))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *argv],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def processes(self) -> list[str]:
        """Command lines of all processes that belong to this folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    variables = (entry / "environ").read_bytes().split(b"\0")
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if f"DDIWEB_VAR={self.var}".encode() in variables and line:
                    found.append(line)
        return found

    def wait_gone(self) -> list[str]:
        deadline = time.monotonic() + GONE_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@contextmanager
def sandbox(var: Path, **extra: str) -> Iterator[Sandbox]:
    one = Sandbox(var, **extra)
    try:
        yield one
    finally:
        if one.child.poll() is None:
            one.child.send_signal(signal.SIGTERM)
            one.child.wait(30)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox(tmp_path_factory.mktemp("run") / "var") as one:
        yield one.wait_ready()


def test_the_call_is_real(running: Sandbox) -> None:
    done = running.run("-m", "lab.call")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_panel_says_that_it_is_ready(running: Sandbox) -> None:
    url = f"{running.state()['url']}readyz"
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own
        assert answer.status == 200


def test_the_doctor_finds_nothing_broken(running: Sandbox) -> None:
    done = running.run("manage.py", "doctor")
    assert done.returncode == 0, done.stdout


def test_there_is_nothing_left_to_apply(running: Sandbox) -> None:
    done = running.run("manage.py", "plan")
    assert done.returncode == 0, done.stdout


def test_a_deployment_of_what_is_in_force_changes_nothing(running: Sandbox) -> None:
    done = running.run("manage.py", "deploy")
    each = done.stdout.count(": 0 changes")
    assert (done.returncode, each) == (0, len(registry.PATHS)), done.stdout + done.stderr


def test_a_second_run_says_where_the_first_one_is(running: Sandbox) -> None:
    done = running.run("-m", "lab.sandbox")
    assert (done.returncode, str(running.state()["url"]) in done.stdout) == (1, True)


def test_redis_listens_on_no_port(running: Sandbox) -> None:
    assert "port 0" in " ".join(running.processes()).replace("--port 0", "port 0")


def test_the_password_is_printed_once_and_stored_nowhere(running: Sandbox) -> None:
    password = next(line.split()[1] for line in running.said().splitlines() if "password" in line)
    files = [path for path in running.var.rglob("*") if path.is_file() and path != running.out]
    assert [path for path in files if password.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    with sandbox(tmp_path / "var") as one:
        one.wait_ready()
        one.child.send_signal(number)
        one.child.wait(30)
        assert one.wait_gone() == []


def test_nothing_is_left_behind_by_an_end_in_the_middle_of_the_start(tmp_path: Path) -> None:
    with sandbox(tmp_path / "var") as one:
        while "namespaces" not in one.said():
            time.sleep(0.01)
        one.child.send_signal(signal.SIGINT)
        one.child.wait(30)
        assert one.wait_gone() == []


def test_without_namespaces_the_node_is_shown_and_not_touched(tmp_path: Path) -> None:
    with sandbox(tmp_path / "var", DDIWEB_NO_NAMESPACES="1") as one:
        one.wait_ready()
        assert "dry run" in one.said()
        assert one.run("manage.py", "plan").returncode == 2
