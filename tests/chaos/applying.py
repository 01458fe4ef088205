"""Asterisk restarted, frozen, or its database stopped, in the middle of an apply.

``python -m tests.chaos.applying --times 50 --database postgresql`` edits a phone's password again
and again and disturbs each deployment at a random instant. Each must be retried and shown as
pending, none may be done while Asterisk can't have been asked, and within 30 s after all is back
the phone must register with its new password. With ``--database sqlite`` the database is stopped
by a lock that nobody gives back. It prints a line a disturbance, and ends with 0 only if all were
so.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lab.errors import LabError
from lab.keys import Places
from lab.postgres import Cluster, postgres_cluster
from lab.process import start_time, wait_until
from lab.stack import FINISHED, Stack

WITHIN = 30.0
KINDS = ("restart", "freeze", "database")
GOOD = {"done", "superseded"}


@dataclass
class Database:
    """The stack's realtime database, which can be stopped for a while."""

    folder: Path
    cluster: contextlib.ExitStack | None = None

    @classmethod
    @contextmanager
    def of(cls, kind: str, folder: Path) -> Iterator["Database"]:
        """Run a PostgreSQL of the stack's own; SQLite needs nothing."""
        database = cls(folder, contextlib.ExitStack() if kind == "postgresql" else None)
        if database.cluster is None:
            yield database
            return
        with contextlib.closing(database.cluster):
            cluster = database._begin()
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE realtime")
            yield database

    def _begin(self) -> Cluster:
        assert self.cluster is not None
        return self.cluster.enter_context(postgres_cluster(self.folder / "pg"))

    @property
    def settings(self) -> dict[str, str]:
        """The stack's settings that lead to it."""
        if self.cluster is None:
            return {}
        url = f"postgresql://postgres@/realtime?host={(self.folder / 'pg').resolve()}"
        return {"DDIWEB_REALTIME_URL": url}

    @contextmanager
    def stopped(self, stack: Stack) -> Iterator[None]:
        """Nobody can use it."""
        if self.cluster is not None:
            self.cluster.close()
            try:
                yield
            finally:
                self._begin()
            return
        path = Places(stack.folder).realtime
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


@contextmanager
def disturbed(stack: Stack, database: Database, kind: str) -> Iterator[None]:
    """Asterisk or its database are away within."""
    pid = stack.pid("asterisk")
    if kind == "database":
        with database.stopped(stack):
            yield
    elif kind == "freeze":
        begun = start_time(pid)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if start_time(pid) == begun:
                os.kill(pid, signal.SIGCONT)
    else:
        stack.kill("asterisk")
        yield


def once(
    stack: Stack, database: Database, phone: dict[str, Any], kind: str, dice: random.Random
) -> dict[str, Any]:
    """One edit and one disturbance; what was seen."""
    password = f"chaos-{time.monotonic_ns()}"
    wait, away = dice.uniform(0.0, 0.8), dice.uniform(2.0, 9.0)
    faults: list[str] = []
    seen: set[str] = set()
    assert stack.call("PATCH", f"/peers/{phone['id']}/", {"password": password}).status == 200
    number = stack.deployments()[0]["id"]
    time.sleep(wait)
    was = stack.deployments()[0]["state"]
    with disturbed(stack, database, kind):
        until = time.monotonic() + (away if kind != "restart" else 0.0)
        held = stack.ask("GET", f"/deployments/{number}/")["state"]
        time.sleep(0.5 if kind == "freeze" else 0)
        before = stack.ask("GET", f"/deployments/{number}/")["state"] in FINISHED
        while time.monotonic() < until:
            row = stack.ask("GET", f"/deployments/{number}/")
            seen.add(row["state"])
            if row["state"] == "done" and not before and kind == "freeze":
                faults.append("done while nobody could be asked")
                break
            time.sleep(0.3)
        if kind != "restart" and "done" not in seen and stack.rows("/nodes/")[0]["converged"]:
            faults.append("shown as in force while it waits")
    begun = time.monotonic()
    try:
        stack.settled(WITHIN)
    except LabError as error:
        faults.append(str(error))
    took = time.monotonic() - begun

    def registers() -> bool:
        login = {"user": phone["username"], "password": password, "user_agent": phone["token"]}
        with stack.line("phone", timeout=2) as say:
            return bool(say("register", **login)["status"] == 200)

    try:
        wait_until(registers, max(1.0, WITHIN - took), "the phone registers")
    except LabError:
        faults.append("the new password is not in force")
    end = stack.ask("GET", f"/deployments/{number}/")
    if end["state"] not in GOOD:
        faults.append(f"it ended as {end['state']}: {end['error']}")
    return {
        "kind": kind, "after": round(wait, 2), "found": was, "held": held, "seen": sorted(seen),
        "attempts": end["attempts"], "converged": round(time.monotonic() - begun, 1),
        "faults": faults,
    }  # fmt: skip


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    dice, lines = random.Random(given.seed), []
    with tempfile.TemporaryDirectory(prefix="ddiweb-applying-") as text:
        folder = Path(text)
        with Database.of(given.database, folder) as database:
            stack = Stack.start(folder / "var", **database.settings)
            try:
                phone = stack.peer("Applied phone")
                stack.settled()
                for number in range(given.times):
                    line = once(stack, database, phone, KINDS[number % len(KINDS)], dice)
                    print(json.dumps(line), flush=True)
                    lines.append(line)
            finally:
                stack.stop()
    retried = sum(line["attempts"] > 1 for line in lines)
    slowest = max(line["converged"] for line in lines)
    faulty = sum(bool(line["faults"]) for line in lines)
    print(
        f"{len(lines)} disturbances, {retried} retried, converged within {slowest} s, {faulty} bad"
    )
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
