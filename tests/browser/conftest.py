"""The panel as its own process with its own database, and a real Chromium in front of it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lab.errors import LabError
from lab.tools import tool

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
#: Seconds that the panel is given to start.
PATIENCE = 40


def chromium() -> str:
    """The machine's Chromium, else the lab's own. Raises LabError if neither can be had."""
    return tool("chromium").argv[0]


class Panel:
    """A running panel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = os.environ | {
            "DDIWEB_DATABASE_URL": f"sqlite:///{folder}/panel.sqlite3",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def manage(self, *arguments: str) -> str:
        """Run a management command beside it; returns what it printed."""
        return self._python("manage.py", *arguments)

    def _python(self, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    def run(self) -> Iterator["Panel"]:
        """Set it up, start it, and end it by its own process id."""
        self._python("-m", "lab.tables")
        self.manage("createsuperuser", "--noinput", "--username=root", "--email=")
        command = [sys.executable, "-m", "gunicorn", "--threads=4", f"--bind=127.0.0.1:{self.port}"]
        with (self.folder / "panel.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "ddiweb.wsgi"], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError((self.folder / "panel.log").read_text()[-2000:])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        path = chromium()
    except LabError as error:
        lacking = f"no Chromium: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def panel(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    yield from Panel(tmp_path_factory.mktemp("panel")).run()


class Visit:
    """A person at a browser; what the page complains of is kept."""

    def __init__(self, panel: Panel, context: BrowserContext) -> None:
        self.panel, self.complaints = panel, list[str]()
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def go(self, path: str) -> Page:
        self.page.goto(self.panel.url + path)
        return self.page

    def log_in(self) -> Page:
        self.go("/login/")
        self.page.fill("#id_username", "root")
        self.page.fill("#id_password", PASSWORD)
        self.page.click("input[type=submit]")
        self.page.wait_for_selector("#panel-nav")
        return self.page

    def save(self) -> Page:
        self.page.click("input[name=_save]")
        self.page.wait_for_selector(".messagelist .success")
        return self.page


@pytest.fixture
def visit(panel: Panel, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit, logged in; ``browser_options`` of the module or class shape the window."""
    options = getattr(request, "param", {})
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
    visitor = Visit(panel, context)
    visitor.log_in()
    yield visitor
    context.close()
