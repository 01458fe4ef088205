"""Failed logins of IAX2 in Asterisk's log; a hostile account's name changes nothing."""

import json
from pathlib import Path

import pytest

from ddiweb.live.log_tail import Tail
from peers.realtime.events import Incident
from peers.realtime.iax_log import incident

AT = "203.0.113.30"


def line(message: str, function: str = "register_verify", file: str = "chan_iax2.c") -> bytes:
    location = {"filename": file, "function": function, "line": 1}
    said = {"location": location, "level": "NOTICE", "message": message + "\n"}
    return json.dumps({"timestamp": "", "logmsg": said}).encode()


def test_a_wrong_password_at_registration() -> None:
    said = line(f"Host {AT} failed MD5 authentication for 'alice' (aa != bb)")
    assert incident(said) == Incident("wrong_password", "alice", AT, 0)


def test_a_wrong_password_at_a_call() -> None:
    for host, address in ((AT, AT), ("[2001:db8::7]", "2001:db8::7")):
        said = line(f"Host {host}:4569 failed to authenticate as alice", "socket_process_helper")
        assert incident(said) == Incident("wrong_password", "alice", address, 0)


def test_an_unknown_account() -> None:
    said = line("No registration for peer 'nobody' (from 2001:db8::7)")
    assert incident(said) == Incident("unknown_account", "nobody", "2001:db8::7", 0)


@pytest.mark.parametrize(
    "name",
    ["x' (from 192.0.2.1)", "x' (from 192.0.2.1)\n", "'\nHost 192.0.2.1 failed MD5 authentication"],
)
def test_an_account_that_is_named_like_a_message_accuses_nobody_else(name: str) -> None:
    for said in (
        line(f"No registration for peer '{name}' (from {AT})"),
        line(f"Host {AT} failed MD5 authentication for '{name}' (aa != bb)"),
        line(f"Host {AT}:4569 failed to authenticate as {name}", "socket_process_helper"),
    ):
        seen = incident(said)
        assert seen is not None
        assert seen.address == AT


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b'{"chan_iax2.c"',
        b'["chan_iax2.c"]',
        line(f"Host {AT} failed MD5 authentication for 'a' (a != b)", file="pbx.c"),
        line("No registration for peer 'a' (from ::1)", file="x").replace(b'""', b'"chan_iax2.c"'),
        line(f"Host {AT} failed MD5 authentication for 'a' (a != b)", function="other"),
        line("MD5 secret mismatch", "authenticate_verify"),
    ],
)
def test_any_other_line_tells_of_nothing(other: bytes) -> None:
    assert incident(other) is None


def test_only_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    tail = Tail(path)
    with path.open("ab") as file:
        file.write(b"one\ntw")
        file.flush()
        assert list(tail.lines()) == [b"one"]
        file.write(b"o\n")
    assert list(tail.lines()) == [b"two"]


def test_a_log_that_was_set_aside_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    tail = Tail(path)
    path.rename(tmp_path / "log.1")
    (tmp_path / "log.1").write_bytes(b"late\n")
    path.write_bytes(b"new and longer\n")
    assert [*tail.lines(), *tail.lines()] == [b"late", b"new and longer"]


def test_a_log_that_was_emptied_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a long line\n")
    tail = Tail(path)
    path.write_bytes(b"new\n")
    assert list(tail.lines()) == [b"new"]


def test_a_log_that_comes_later_is_read(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert list(tail.lines()) == []
    (tmp_path / "log").write_bytes(b"one\n")
    assert list(tail.lines()) == [b"one"]


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    tail = Tail(path)
    path.write_bytes(b"x" * 100_000)
    assert list(tail.lines()) == []
    assert tail._rest == b""
