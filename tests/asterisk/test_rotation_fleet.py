"""Many phones rotate in one grace: none of their REGISTERs fails, and then the old are silent.

Ten phones here; a hundred with ``DDIWEB_TEST_SCALE=full``.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.process import wait_until
from lab.stack import ROOT, Stack

FULL = os.environ.get("DDIWEB_TEST_SCALE") == "full"
pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(1800 if FULL else 180)]
PHONES, GRACE = (100, 120) if FULL else (10, 20)
Phone = dict[str, Any]


@contextlib.contextmanager
def fleet(stack: Stack) -> Iterator[Callable[..., Any]]:
    """Phones behind one NAT; call it with a command."""
    argv = stack.world().argv("phone", [sys.executable, "-m", "tests.asterisk.fleet"], ROOT)
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdin
        assert child.stdout

        def say(do: str, **wish: Any) -> Any:
            assert child.stdin
            assert child.stdout
            child.stdin.write(json.dumps({"do": do, **wish}) + "\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        yield say
        child.stdin.close()


def login(made: Phone, token: str, password: str | None = None) -> Phone:
    """What the phone of ``made`` sends with ``token``, and the new password that came with it."""
    by_name = made["carrier"] == "username"
    return {
        "id": made["id"],
        "password": password or made["password"],
        "user": token if by_name else made["username"],
        "agent": "plain/1" if by_name else f"plain/1 {token}",
    }


@pytest.fixture
def made(stack: Stack) -> Iterator[list[Phone]]:
    """Phones of both kinds, in force."""
    phones = []
    for number in range(PHONES):
        carrier = "username" if number % 2 else "user_agent"
        phones.append(stack.peer(f"Fleet {number}", carrier=carrier))
    stack.settled(120)
    yield phones
    for phone in phones:
        stack.ask("DELETE", f"/peers/{phone['id']}/")
    stack.settled(120)


def test_no_register_fails_while_phones_rotate_and_the_old_tokens_are_silent_after(
    stack: Stack, made: list[Phone]
) -> None:
    old = {phone["id"]: login(phone, phone["token"]) for phone in made}
    statuses: Counter[int] = Counter()
    with fleet(stack) as say:
        statuses.update(say("register", phones=list(old.values())).values())
        answer = stack.ask("POST", "/peers/rotate/", {"ids": list(old), "grace_seconds": GRACE})
        ends = time.monotonic() + GRACE
        given = {row["peer"]: row["secrets"] for row in answer["results"]}
        new = {phone["id"]: login(phone, **given[phone["id"]]) for phone in made}
        stack.settled(60)
        now = dict(old)
        waiting = random.Random(7).sample(list(old), PHONES)
        while time.monotonic() < ends - 4:
            # A few more are given the new token; all register, whichever they have.
            for phone in waiting[: max(1, PHONES // 4)]:
                now[phone] = new[phone]
            del waiting[: max(1, PHONES // 4)]
            statuses.update(say("register", phones=list(now.values())).values())
            time.sleep(1)
        assert not waiting, "the grace was too short for this machine"
        wait_until(
            lambda: len(_revoked(stack, old)) == PHONES, GRACE + 60, "the old tokens are revoked"
        )
        stack.settled(60)
        assert say("knock", phones=list(old.values()), wait=1.5) == 0
        statuses.update(say("register", phones=list(new.values())).values())
    print(f"{PHONES} phones: {dict(statuses)} by status of a REGISTER, 0 answers to old tokens")
    assert set(statuses) == {200}


def _revoked(stack: Stack, phones: dict[int, Phone]) -> list[int]:
    rows = stack.rows("/tokens/?state=revoked&page_size=200")
    return [row["id"] for row in rows if row["peer"] in phones]
