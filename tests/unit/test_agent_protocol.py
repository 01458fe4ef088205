"""The agent's wire, its configuration and its state file, without a kernel."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddiweb.deploy.errors import Failed, Refused, Retryable
from firewall.agent import protocol
from firewall.agent.config import Config
from firewall.agent.state import State
from firewall.channel import AgentChannel
from firewall.ruleset.types import Intent
from firewall.ruleset.values import Invalid

pytestmark = pytest.mark.unit
HEAD = struct.Struct(">I")
INTENT = Intent(
    generation=1,
    sip_port=5060,
    rtp_first=10_000,
    rtp_last=20_000,
    management=(),
    management_ports=(),
    vendors=(),
    bans=(),
    site_prefix="ddi-abcdefgh-",
    tokens=(),
    revoked=(),
)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a Unix connection."""
    one, two = socket.socketpair()
    with one, two:
        yield one, two


Ends = tuple[socket.socket, socket.socket]


def test_a_message_survives_the_wire(ends: Ends) -> None:
    protocol.send(ends[0], {"ok": True, "n": 1})
    assert json.loads(protocol.receive(ends[1])) == {"ok": True, "n": 1}


def test_a_message_over_the_limit_is_refused_before_it_is_read(ends: Ends) -> None:
    ends[0].sendall(HEAD.pack(protocol.LIMIT + 1))
    with pytest.raises(Invalid, match="bytes long"):
        protocol.receive(ends[1])


def test_a_slow_sender_is_left_at_the_deadline(ends: Ends) -> None:
    ends[0].sendall(HEAD.pack(100) + b"x")
    with pytest.raises(protocol.Hangup):
        protocol.receive(ends[1], seconds=0.05)


def test_a_closed_connection_is_a_hangup(ends: Ends) -> None:
    ends[0].close()
    with pytest.raises(protocol.Hangup, match="closed"):
        protocol.receive(ends[1])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b'"x"',
        b"{}",
        b'{"v":2,"verb":"status"}',
        b'{"v":true,"verb":"status"}',
        b'{"v":1.0,"verb":"status"}',
        b'{"v":1}',
        b'{"v":1,"verb":["status"]}',
        b'{"v":1,"verb":"confirm"}',
        b'{"v":1,"verb":"status","fence":1}',
        b'{"v":1,"verb":"apply","fence":1}',
        b'{"v":1,"verb":"rollback","fence":true}',
        b'{"v":1,"verb":"rollback","fence":-1}',
        b'{"v":1,"verb":"rollback","fence":1e3}',
        b'{"v":1,"verb":"rollback","fence":9223372036854775808}',
        b'{"v":1,"verb":"rollback","fence":' + b"9" * 5000 + b"}",
        b'{"v":1,"verb":"rollback","fence":1,"fence":2}',
        b'{"v":1,"verb":"rollback","fence":NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_request_that_is_not_exactly_a_verbs_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        protocol.decode(body)


def test_a_request_of_a_verb_is_read() -> None:
    assert protocol.decode(b'{"v":1,"verb":"rollback","fence":7}')["fence"] == 7


@pytest.mark.parametrize("marks", [None, {}, "1", [True], [0], [1 << 20], ["1"], [1.0]])
def test_marks_of_another_kind_are_refused(marks: Any) -> None:
    with pytest.raises(Invalid):
        protocol.marks(marks)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused("fence: old"), "refused"),
        (Invalid("fence", "is old", "ask again"), "refused"),
        (Retryable("busy"), "retryable"),
        (Failed("rules differ"), "failed"),
    ],
)
def test_a_decision_keeps_its_kind_on_the_wire(error: Any, kind: str) -> None:
    assert protocol.error_answer(error)["error"]["kind"] == kind


def test_an_agent_that_is_not_there_is_retryable(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match="can't be reached"):
        AgentChannel(tmp_path / "none.sock").status()


def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.raise_fence(4)
    state.stage(INTENT)
    state.keep()
    again = State(tmp_path)
    assert again.fence == 4 and again.current and again.current.intent == INTENT


def test_what_was_staged_and_not_kept_is_forgotten(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.stage(INTENT)
    assert State(tmp_path).current is None


def test_a_lower_fence_is_refused(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.raise_fence(4)
    with pytest.raises(Refused, match="newer deployment"):
        state.raise_fence(3)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"current":{}}', '{"current":1,"previous":null}'])
def test_a_damaged_state_file_is_reported_and_not_fatal(tmp_path: Path, text: str) -> None:
    (tmp_path / "good.json").write_text(text)
    state = State(tmp_path)
    assert state.current is None and state.damage


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_refuses(tmp_path: Path) -> None:
    state = State(tmp_path)
    tmp_path.chmod(0o500)
    with pytest.raises(Refused, match="can't be written"):
        state.raise_fence(1)


def test_a_full_disk_is_found_before_the_kernel_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    state = State(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="No space left"):
        state.stage(INTENT)


def _config(tmp_path: Path, **changes: Any) -> Path:
    raw: dict[str, Any] = {
        "socket": "/run/ddiweb/agent.sock",
        "allowed_uids": [0],
        "state_dir": str(tmp_path),
        "backend": "nft",
        "management_networks": ["198.51.100.7/32"],
        "management_ports": [22],
    }
    raw |= changes
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))
    return path


def test_a_configuration_needs_no_tools(tmp_path: Path) -> None:
    assert Config.load(_config(tmp_path)).backend == "nft"


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": "iptables"},
        {"allowed_uids": ["root"]},
        {"allowed_uids": [True]},
        {"allowed_uids": 0},
        {"management_networks": []},
        {"management_networks": ["0.0.0.0/0"]},
        {"management_ports": []},
        {"management_networks": "198.51.100.7/32"},
        {"socket": 5},
        {"tools": ["ipset"]},
        {"tools": {"ipset": "ipset"}},
        {"socket": None},
        {"rules": "-j ACCEPT"},
    ],
    ids=str,
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        Config.load(_config(tmp_path, **changes))


def test_a_tool_with_an_empty_list_counts_as_missing(tmp_path: Path) -> None:
    config = Config.load(_config(tmp_path, tools={"conntrack": []}))
    assert config.argv("conntrack") is None
