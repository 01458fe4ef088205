"""No secret stands where it does not belong: what is written is searched for canaries."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from lab.keys import read
from lab.stack import Stack

pytestmark = pytest.mark.asterisk

VENDOR_PASSWORD = "canary-vendor-password-7f3a"


@pytest.fixture(scope="module")
def heard(stack: Stack) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """Canaries by name, and all that Redis was told while they were stored, used and rotated."""
    said: list[bytes] = []
    with redis.Redis(unix_socket_path=str(stack.folder / "run" / "redis.sock")) as client:
        monitor = client.monitor()
        with monitor:
            ready = threading.Event()
            listener = threading.Thread(target=_listen, args=(monitor, said, ready), daemon=True)
            listener.start()
            ready.wait(5)
            canaries = _use(stack)
            stack.settled()
            client.ping()
        for key in client.scan_iter():
            said.append(key + (client.dump(key) or b""))
    yield canaries, b"\n".join(said)


def _listen(monitor: Any, said: list[bytes], ready: threading.Event) -> None:
    ready.set()
    try:
        for command in monitor.listen():
            said.append(str(command).encode())
    except (redis.ConnectionError, ValueError, AttributeError, OSError):
        return  # the test closed the connection


def _use(stack: Stack) -> dict[str, bytes]:
    """Store and use every kind of secret."""
    node = stack.rows("/nodes/")[0]["slug"]
    stack.ask(
        "POST",
        "/trunks/",
        {
            "node": node,
            "name": "Canary vendor",
            "username": "canary",
            "password": VENDOR_PASSWORD,
            "networks": [{"cidr": "203.0.113.22/32"}],
        },
    )
    phone = stack.peer("Canary phone")
    stack.settled()
    with stack.line("phone") as say:
        login = {"user": phone["username"], "password": phone["password"]}
        assert say("register", **login, user_agent=phone["token"])["status"] == 200
        wrong = {**login, "password": "canary-wrong-password-1"}
        assert say("register", **wrong, user_agent=phone["token"])["status"] == 401
    new = stack.ask("POST", f"/peers/{phone['id']}/rotate/", {"grace_seconds": 600})
    stack.manage("plan", check=False)
    stack.manage("status")
    keys = read(stack.folder / "ddiweb.env") | read(stack.folder / "sandbox.env")
    named = {
        "a phone's password": phone["password"],
        "a token": phone["token"],
        "a rotated token": new["secrets"]["token"],
        "a vendor's password": VENDOR_PASSWORD,
        "an API token": stack.token,
        "the AMI secret": keys["DDIWEB_AMI_SECRET"],
        "the panel's key": keys["DDIWEB_SECRET_KEY"],
        "the key of stored secrets": keys["DDIWEB_FIELD_KEYS"],
    }
    return {name: value.encode() for name, value in named.items()}


def found(canaries: dict[str, bytes], text: bytes) -> list[str]:
    return [name for name, value in canaries.items() if value in text]


def test_redis_never_hears_a_secret(heard: tuple[dict[str, bytes], bytes]) -> None:
    canaries, said = heard
    assert b"run_deployment" in said  # it did hear of the edits
    assert found(canaries, said) == []


def test_no_log_holds_a_secret(stack: Stack, heard: tuple[dict[str, bytes], bytes]) -> None:
    canaries, _ = heard
    places = [stack.folder / "log", stack.folder / "sandbox" / "asterisk" / "log"]
    logs = [path for place in places for path in place.rglob("*") if path.is_file()]
    logs.append(stack.folder / "sandbox.log")
    hits = {str(path): names for path in logs if (names := found(canaries, path.read_bytes()))}
    assert len(logs) > 5
    assert hits == {}


def test_no_process_has_a_secret_among_its_arguments(
    heard: tuple[dict[str, bytes], bytes],
) -> None:
    canaries, _ = heard
    lines = b"\n".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
    assert b"ddiweb.wsgi" in lines
    assert found(canaries, lines) == []


def test_the_panels_database_history_included_holds_no_secret_in_clear(
    stack: Stack, heard: tuple[dict[str, bytes], bytes]
) -> None:
    canaries, _ = heard
    files = list(stack.folder.glob("ddiweb.sqlite3*"))
    data = b"".join(path.read_bytes() for path in files)
    assert b"Canary phone" in data
    assert found(canaries, data) == []


def test_files_that_must_hold_a_secret_are_their_owners_alone(
    stack: Stack, heard: tuple[dict[str, bytes], bytes]
) -> None:
    canaries, _ = heard
    open_to_others = [
        str(path)
        for path in stack.folder.rglob("*")
        if path.is_file()
        and path.stat().st_mode & 0o007
        and found(canaries, _read(path))
        and not _closed_above(path, stack.folder)
    ]
    assert open_to_others == []


def _closed_above(path: Path, top: Path) -> bool:
    """Whether a folder between keeps other users out."""
    return any(
        not folder.stat().st_mode & 0o005
        for folder in path.parents
        if folder != top and top in folder.parents
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
