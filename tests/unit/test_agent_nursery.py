"""The nursery: one start for many children, and none that outlives its request."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ddiweb.deploy.errors import Refused
from firewall.agent.nursery import Nursery


@pytest.fixture
def nursery() -> Nursery:
    return Nursery("tests.nursling")


def test_a_long_request_and_its_answer_go_through_whole(nursery: Nursery) -> None:
    request = bytes(range(256)) * 20_000
    assert nursery.ask(request, 60) == request[::-1]


def test_many_may_ask_at_once(nursery: Nursery) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [f"{number}".encode() for number in range(100, 140)]
        assert list(pool.map(lambda one: nursery.ask(one, 60), asked)) == [
            one[::-1] for one in asked
        ]


def test_one_that_died_is_started_again(nursery: Nursery) -> None:
    first = int(nursery.ask(b"pid", 60))
    os.kill(first, signal.SIGKILL)
    assert int(nursery.ask(b"pid", 60)) != first


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_one_that_is_dying_and_can_not_be_waited_for_yet_is_started_again(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = int(nursery.ask(b"pid", 60))
    monkeypatch.setattr(nursery._process, "poll", lambda: None)
    _kill(first)
    assert int(nursery.ask(b"pid", 60)) != first


def test_one_that_dies_with_a_request_in_its_hands_is_started_again(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = int(nursery.ask(b"pid", 60))
    send = socket.send_fds

    def last(*given: Any) -> int:
        monkeypatch.undo()
        os.kill(first, signal.SIGSTOP)
        sent = send(*given)
        _kill(first)
        return sent

    monkeypatch.setattr(socket, "send_fds", last)
    assert int(nursery.ask(b"pid", 60)) != first


def test_a_child_that_does_not_answer_is_refused_in_time_and_does_not_stop_the_next(
    nursery: Nursery,
) -> None:
    with pytest.raises(Refused, match="scratch: no answer within"):
        nursery.ask(b"sleep", 0.5)
    assert nursery.ask(b"ab", 60) == b"ba"
