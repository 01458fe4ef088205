"""kill -9 in the middle of deployments: the node converges, and nothing says done too early."""

import threading
import time
from typing import Any

import pytest

from lab.process import wait_until
from lab.stack import FINISHED, Stack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

ROUNDS = 10
CONVERGED_WITHIN = 30


@pytest.fixture(scope="module")
def phone(frail: Stack) -> dict[str, Any]:
    """One phone whose password is changed again and again."""
    made = frail.peer("Chaos phone")
    frail.settled()
    return made


def edit_until(stack: Stack, phone: dict[str, Any], stop: threading.Event) -> list[str]:
    """Change the password as fast as the API lets, and return the last one that was accepted."""
    passwords = [phone["password"]]
    while not stop.is_set():
        wanted = f"chaos-{time.monotonic_ns()}"
        answer = stack.call("PATCH", f"/peers/{phone['id']}/", {"password": wanted})
        if answer.status == 200:
            passwords.append(wanted)
        stop.wait(0.05)
    return passwords


@pytest.mark.parametrize("victim", ["worker", "redis", "agent"])
def test_a_node_converges_after_kill_9_during_deployments(
    frail: Stack, phone: dict[str, Any], victim: str
) -> None:
    slowest = 0.0
    for round_ in range(ROUNDS):
        stop = threading.Event()
        accepted: list[str] = []
        editor = threading.Thread(
            target=lambda stop=stop, into=accepted: into.extend(  # type: ignore[misc]
                edit_until(frail, phone, stop)
            )
        )
        editor.start()
        time.sleep(0.4 + 0.13 * round_)  # another instant of the pipeline in each round
        frail.kill(victim)
        killed = time.monotonic()
        time.sleep(0.3)
        stop.set()
        editor.join(30)
        frail.settled(CONVERGED_WITHIN - (time.monotonic() - killed))
        slowest = max(slowest, time.monotonic() - killed)
        phone["password"] = accepted[-1]
        with frail.line("phone", timeout=2) as say:
            status = say(
                "register",
                user=phone["username"],
                password=phone["password"],
                user_agent=phone["token"],
            )["status"]
        assert status == 200, f"round {round_}: the last edit is not in force"
    print(f"{victim}: slowest convergence {slowest:.1f} s of {ROUNDS}")


def test_no_deployment_was_lost_and_each_done_one_was_read_back(frail: Stack) -> None:
    frail.settled()
    rows = frail.deployments()
    assert [row["id"] for row in rows if row["state"] not in FINISHED] == []
    for row in rows:
        whole = frail.ask("GET", f"/deployments/{row['id']}/")
        moves = [entry["state"] for entry in whole["log"]]
        if whole["state"] == "done":
            assert moves[-2:] == ["verifying", "done"], moves
        assert whole["state"] in {"done", "superseded"}, whole


def test_a_newer_generation_is_never_overtaken_by_an_older_one(frail: Stack) -> None:
    done = [row for row in frail.deployments() if row["state"] == "done"]
    newest_first = sorted(done, key=lambda row: row["finished_at"], reverse=True)
    generations = [row["generation"] for row in newest_first]
    assert generations == sorted(generations, reverse=True)


def test_the_panel_answers_while_everything_else_dies(frail: Stack) -> None:
    frail.kill("redis")
    begun = time.monotonic()
    phone_id = frail.rows("/peers/")[0]["id"]
    answer = frail.call("PATCH", f"/peers/{phone_id}/", {"name": "Named without Redis"})
    assert answer.status == 200
    assert time.monotonic() - begun < 5
    wait_until(lambda: frail.rows("/nodes/")[0]["converged"], CONVERGED_WITHIN, "it converges")
