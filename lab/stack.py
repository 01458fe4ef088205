"""The whole of ddiweb, running: `make run`'s own sandbox in a scratch folder, used from outside.

What a test does to it goes over HTTP, as a person's or a program's edit would; what it measures
is packets in the namespaces.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import keys
from lab.pbx import ami_client
from lab.process import Process, start_time, wait_until
from lab.world import World
from peers.realtime.ami import AmiClient

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300  # a busy machine takes minutes to migrate
FINISHED = {"done", "refused", "rolled_back", "failed", "superseded"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status and parsed body."""

    status: int
    body: Any


@dataclass
class Stack:
    """A running sandbox in ``folder``."""

    folder: Path
    process: Process
    url: str
    token: str = field(default="", repr=False)

    @classmethod
    def start(cls, folder: Path, **settings: str) -> Stack:
        """Start a sandbox with the demo and wait until it is ready."""
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "sandbox.log"
        given = environment(folder) | settings
        process = Process.start(
            ["env", *(f"--unset={name}" for name in unset() if name not in given),
             sys.executable, "-m", "lab.sandbox"],
            given, ROOT, log, name="sandbox",
        )  # fmt: skip
        state = folder / "run" / "sandbox.json"

        def ready() -> bool:
            if not process.alive():
                raise AssertionError(f"the sandbox ended: {log.read_text()[-2000:]}")
            return state.exists()

        try:
            wait_until(ready, START_SECONDS, "the sandbox is ready")
        except BaseException:
            process.stop(20)
            raise
        stack = cls(folder, process, json.loads(state.read_text())["url"])
        made = stack.manage("apitoken", "create", "tests", "--user", "admin")
        stack.token = made.split()[-1]
        return stack

    def stop(self) -> None:
        """End it and everything in it."""
        self.process.stop(30)

    def world(self) -> World:
        """The namespaces of this sandbox."""
        return World.attach(self.folder / "sandbox" / "world")

    def ami(self, **options: Any) -> AmiClient:
        """A client of its Asterisk, beside the watch's own; options as of ``ami_client``."""
        secret = keys.read(keys.Places(self.folder).settings)["DDIWEB_AMI_SECRET"]
        return ami_client(self.world().ns["srv"], secret, **options)

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command beside it; returns what it printed."""
        return self._python("manage.py", *arguments, check=check)

    def password(self) -> str:
        """Give the administrator a new password and return it."""
        return self._python("-m", "lab.demo", "--password").split()[-1]

    def _python(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=full(environment(self.folder)),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask the REST API; returns status and body, also of a refusal."""
        sent = None if body is None else json.dumps(body).encode()
        return self._send(method, path, sent, "application/json")

    def _send(self, method: str, path: str, body: bytes | None, kind: str) -> Answer:
        try:
            with self._opened(method, path, body, kind) as response:
                return Answer(response.status, _parsed(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parsed(error.read()))

    def _opened(self, method: str, path: str, body: bytes | None, kind: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own loopback
            self.url.rstrip("/") + "/api/v1" + path,
            method=method,
            data=body,
            headers={"Authorization": f"Token {self.token}", "Content-Type": kind},
        )
        return urllib.request.urlopen(request, timeout=20)  # noqa: S310 - our own loopback

    def download(self, path: str) -> bytes:
        """Return the bytes of a file."""
        with self._opened("GET", path, None, "application/json") as response:
            return bytes(response.read())

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the REST API and expect success; returns the body."""
        answer = self.call(method, path, body)
        assert 200 <= answer.status < 300, (method, path, answer)
        return answer.body

    def upload(self, path: str, file: Path, **fields: str) -> Any:
        """Send a form with a file (RFC 7578) and expect success; returns the body."""
        edge = f"edge-{os.urandom(8).hex()}"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="'
        parts = [f'{head}{name}"\r\n\r\n{text}\r\n'.encode() for name, text in fields.items()]
        parts += [f'{head}file"; filename="{file.name}"\r\n\r\n'.encode(), file.read_bytes()]
        body = b"".join([*parts, f"\r\n--{edge}--\r\n".encode()])
        answer = self._send("POST", path, body, f"multipart/form-data; boundary={edge}")
        assert answer.status == 201, (path, answer)
        return answer.body

    def every(self, path: str) -> list[Any]:
        """Return all pages of a list, 200 rows each; for lists that nobody adds to meanwhile."""
        rows: list[Any] = []
        page = 1
        mark = "&" if "?" in path else "?"
        while True:
            body = self.ask("GET", f"{path}{mark}page_size=200&page={page}")
            rows += body["results"]
            if not body["next"]:
                return rows
            page += 1

    def rows(self, path: str) -> list[Any]:
        """Return the first page of a list."""
        return list(self.ask("GET", path)["results"])

    def deployments(self) -> list[Any]:
        """Return the newest deployments, newest first."""
        return self.rows("/deployments/?page_size=200")

    def settled(self, timeout: float = 30) -> None:
        """Wait until the node's newest generation is in force and nothing waits."""

        def calm() -> bool:
            node = self.rows("/nodes/")[0]
            return (
                node["applied_generation"] >= node["generation"]
                and self.deployments()[0]["state"] in FINISHED
            )

        wait_until(calm, timeout, "the newest generation is in force")

    def peer(self, name: str, **fields: Any) -> dict[str, Any]:
        """Add a peer; returns its body with the one-time ``password`` and ``token``."""
        node = self.rows("/nodes/")[0]["slug"]
        body = {"node": node, "name": name, "username": name.lower().replace(" ", "-")} | fields
        made = self.ask("POST", "/peers/", body)
        return {**made, **made["secrets"]}

    def pid(self, name: str) -> int:
        """Process id of one of its services."""
        return int((self.folder / "run" / f"{name}.pid").read_text())

    def kill(self, name: str) -> None:
        """kill -9 one service, by its pid; waits for one that is just being started again."""
        wait_until((self.folder / "run" / f"{name}.pid").exists, 10, f"{name} runs")
        pid = self.pid(name)
        begun = start_time(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: start_time(pid) != begun, 5, f"{name} is dead")

    @contextlib.contextmanager
    def line(self, place: str, **options: Any) -> Iterator[Callable[..., dict[str, Any]]]:
        """Open a raw SIP socket in a namespace; call it with a wish (see ``lab.rawsip``)."""
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        command = self.world().argv(place, [sys.executable, "-m", "lab.rawsip", *flags], ROOT)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as child:
            assert child.stdin
            assert child.stdout
            child.stdout.readline()

            def say(do: str, **wish: Any) -> dict[str, Any]:
                assert child.stdin
                assert child.stdout
                child.stdin.write(json.dumps({"do": do, **wish}) + "\n")
                child.stdin.flush()
                return dict(json.loads(child.stdout.readline()))

            try:
                yield say
            finally:
                child.stdin.close()
                child.wait(10)


def environment(folder: Path) -> dict[str, str]:
    """The settings of a sandbox in ``folder``; everything else it makes by itself."""
    return {"DDIWEB_VAR": str(folder), "DDIWEB_DIES_WITH_PARENT": "1"}


def unset() -> list[str]:
    """Settings of this test run that a sandbox must not inherit."""
    return [name for name in os.environ if name.startswith("DDIWEB_") and not _kept(name)]


def full(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``settings`` in place of its own."""
    hidden = set(unset())
    return {name: value for name, value in os.environ.items() if name not in hidden} | dict(
        settings
    )


def _kept(name: str) -> bool:
    return name.startswith(("DDIWEB_LAB_", "DDIWEB_DEBIAN_", "DDIWEB_TEST_"))


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")
