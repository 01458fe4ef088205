"""Edits, rotations and compromises, seen from the phone."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.process import wait_until
from lab.stack import FINISHED, Stack

pytestmark = pytest.mark.asterisk


@pytest.fixture
def phone(stack: Stack) -> Iterator[dict[str, Any]]:
    """A peer of its own, in force."""
    made = stack.peer(f"Edit {time.monotonic_ns()}")
    stack.settled()
    yield made
    stack.call("DELETE", f"/peers/{made['id']}/")
    stack.settled()


def login(phone: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {
        "user": phone["username"],
        "password": phone["password"],
        "user_agent": token or phone["token"],
    }


def states(stack: Stack, phone: dict[str, Any]) -> list[str]:
    tokens = stack.rows(f"/tokens/?peer={phone['id']}")
    return [token["state"] for token in sorted(tokens, key=lambda token: token["id"])]


def test_a_registered_phone_is_seen_with_its_token(stack: Stack, phone: dict[str, Any]) -> None:
    with stack.line("phone") as say:
        assert say("register", **login(phone))["status"] == 200
        wait_until(lambda: states(stack, phone) == ["current"], 8, "the token is seen")


def test_a_rotation_has_no_gap_and_the_old_token_dies_after_its_grace(
    stack: Stack, phone: dict[str, Any]
) -> None:
    with stack.line("phone") as say:
        assert say("register", **login(phone))["status"] == 200
        wait_until(lambda: states(stack, phone) == ["current"], 8, "the token is seen")
        new = stack.ask("POST", f"/peers/{phone['id']}/rotate/", {"grace_seconds": 8})
        token = new["secrets"]["token"]
        ends = time.monotonic() + 8
        stack.settled()
        # The same flow, first still with the old token, then with the new one.
        assert say("register", **login(phone))["status"] == 200
        assert say("register", **login(phone, token))["status"] == 200
        wait_until(
            lambda: states(stack, phone) == ["retiring", "current"], 8, "the old one retires"
        )
        wait_until(
            lambda: states(stack, phone) == ["revoked", "current"],
            ends - time.monotonic() + 8,
            "the grace ends",
        )
        stack.settled()
        assert say("register", **login(phone, token))["status"] == 200
    with stack.line("attacker") as stranger:
        assert stranger("register", **login(phone))["answers"] == []
        assert stranger("register", **login(phone, token))["status"] == 200


def test_a_compromise_cuts_a_live_phone_within_two_seconds(
    stack: Stack, phone: dict[str, Any]
) -> None:
    probe = {"method": "OPTIONS", "user": phone["username"]}
    with stack.line("phone", timeout=0.2) as say:
        assert say("register", **login(phone))["status"] == 200
        assert say("ask", **probe)["status"] != 0  # its flow needs no token any more
        stack.ask("POST", f"/peers/{phone['id']}/compromised/")
        begun = time.monotonic()
        last = 0.0
        while time.monotonic() - begun < 4:
            if say("ask", **probe)["status"]:
                last = time.monotonic() - begun
        assert last < 2, f"answered for {last:.2f} s"
        # Asterisk repeats the OPTIONS that it had sent while the phone was there.
        said = say("register", **login(phone))["answers"]
        assert not [text for text in said if text.startswith("SIP/2.0")]
    stack.settled()
    wait_until(
        lambda: not stack.rows(f"/contacts/?endpoint={phone['key']}"), 8, "no contact is left"
    )


def test_a_compromise_is_in_force_within_two_seconds_while_asterisk_is_frozen(
    stack: Stack, phone: dict[str, Any]
) -> None:
    asterisk = stack.pid("asterisk")
    with stack.line("phone", timeout=0.3) as say:
        assert say("register", **login(phone))["status"] == 200
        os.kill(asterisk, signal.SIGSTOP)
        try:
            stack.ask("POST", f"/peers/{phone['id']}/compromised/")
            time.sleep(2)
            assert say("register", **login(phone))["status"] == 0
        finally:
            os.kill(asterisk, signal.SIGCONT)
        # Had it been let in, Asterisk would answer it now.
        assert say("listen", timeout=1.5)["status"] == 0
    stack.settled()


FORCE = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("UPDATE peers_peer SET name = %s WHERE id = %s", [{name!r}, {peer}])
"""


def test_a_compromise_is_in_force_within_two_seconds_while_a_bad_row_has_everything_refused(
    stack: Stack, phone: dict[str, Any]
) -> None:
    with stack.line("phone", timeout=0.3) as say:
        assert say("register", **login(phone))["status"] == 200
        # No form or API would take it: somebody wrote into the database.
        stack.manage("shell", "-c", FORCE.format(name="a;b^c", peer=phone["id"]))
        try:
            answer = stack.ask("POST", f"/peers/{phone['id']}/compromised/")
            time.sleep(2)
            said = say("register", **login(phone))["answers"]
            assert not [text for text in said if text.startswith("SIP/2.0")]
            number = answer["deployment"]["id"]
            wait_until(
                lambda: stack.ask("GET", f"/deployments/{number}/")["state"] == "refused",
                15,
                "the deployment is refused",
            )
        finally:
            stack.manage("shell", "-c", FORCE.format(name=phone["name"], peer=phone["id"]))
            stack.ask("POST", f"/nodes/{stack.rows('/nodes/')[0]['slug']}/deploy/")
    stack.settled()


def test_a_disabled_peer_is_silent_and_comes_back_with_the_same_token(
    stack: Stack, phone: dict[str, Any]
) -> None:
    with stack.line("phone", timeout=0.5) as say:
        assert say("register", **login(phone))["status"] == 200
        stack.ask("PATCH", f"/peers/{phone['id']}/", {"enabled": False})
        stack.settled()
        say("listen", timeout=0.3)  # the OPTIONS that came while it was still registered
        assert say("register", **login(phone))["answers"] == []
        stack.ask("PATCH", f"/peers/{phone['id']}/", {"enabled": True})
        stack.settled()
        assert say("register", **login(phone))["status"] == 200


def test_twenty_edits_within_a_second_make_at_most_two_deployments(
    stack: Stack, phone: dict[str, Any]
) -> None:
    stack.settled()
    before = {row["id"] for row in stack.deployments()}
    begun = time.monotonic()
    for count in range(20):
        stack.ask("PATCH", f"/peers/{phone['id']}/", {"name": f"Edit number {count}"})
    took = time.monotonic() - begun
    stack.settled()
    made = [row for row in stack.deployments() if row["id"] not in before]
    assert sum(row["edits"] for row in made) >= 20
    assert len(made) <= 2 + int(took), f"{len(made)} deployments for {took:.2f} s of edits"


def test_the_same_deployment_twice_changes_nothing_the_second_time(stack: Stack) -> None:
    for _ in range(2):
        row = stack.ask("POST", f"/nodes/{stack.rows('/nodes/')[0]['slug']}/deploy/")
        number = row["deployment"]["id"]
        wait_until(
            lambda number=number: (  # type: ignore[misc]
                stack.ask("GET", f"/deployments/{number}/")["state"] in FINISHED
            ),
            15,
            "it ends",
        )
    again = stack.ask("GET", f"/deployments/{number}/")
    assert again["state"] == "done"
    assert not any(again["plan"].values())
    assert again["log"][-1]["text"] == "nothing to do"
