"""Hostile values and clients: refused with field, fault and remedy; the kernel unchanged."""

import json
import random
import socket
import struct
import threading
from typing import Any

import pytest

from ddiweb.deploy.errors import Refused
from firewall.ruleset.types import Intent
from tests.kernel.bench import Bench, intent, token

pytestmark = pytest.mark.kernel
HEAD = struct.Struct(">I")
HOSTILE = [
    "\n",
    "\r",
    '"',
    "'",
    "${SHELL(id)}",
    ",",
    "\x00",
    " ",
    "\\",
    "\u2028",
    "\n-A INPUT -j ACCEPT",
]


def _ask(bench: Bench, raw: Any, fence: int | None = 1 << 40) -> dict[str, Any]:
    body = json.dumps({"v": 1, "verb": "apply", "fence": fence, "intent": raw}).encode()
    return _send(bench, HEAD.pack(len(body)) + body)


def _send(bench: Bench, data: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(8)
        made.connect(str(bench.socket))
        made.sendall(data)
        head = made.recv(4)
        if len(head) < 4:
            return {}
        body = b""
        while len(body) < HEAD.unpack(head)[0]:
            body += made.recv(65_536)
        answer: dict[str, Any] = json.loads(body)
        return answer


@pytest.mark.parametrize("field", ["token", "site_prefix", "vendors", "bans", "management"])
def test_a_hostile_text_never_reaches_the_kernel(bench: Bench, field: str) -> None:
    before = bench.rules()
    errors = [
        _ask(bench, _forged(field, bad, part))["error"] for bad in HOSTILE for part in (0, 1, 2)
    ]
    named = [error for error in errors if error["kind"] == "refused" and error["field"]]
    assert (len(named), bench.rules()) == (len(HOSTILE) * 3, before)
    assert all(";" in error["message"] for error in named)


def _forged(field: str, bad: str, part: int) -> dict[str, Any]:
    """The plain intent with `bad` at the start, in the middle or at the end of a field."""
    raw = intent().to_json()
    plain = raw["tokens"][0]["value"] if field == "token" else "203.0.113.0/24"
    plain = raw["site_prefix"] if field == "site_prefix" else plain
    cut = len(plain) * part // 2
    value = plain[:cut] + bad + plain[cut:]
    if field == "token":
        raw["tokens"][0]["value"] = value
    else:
        raw[field] = value if field == "site_prefix" else [value]
    return raw


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sip_port", True),
        ("sip_port", "5060"),
        ("sip_port", 5060.0),
        ("sip_port", 99_999),
        ("sip_port", None),
        ("generation", -1),
        ("vendors", ["0.0.0.0/0"]),
        ("vendors", ["0.0.0.0/1"]),
        ("vendors", ["::/0"]),
        ("vendors", ["010.1.1.1/32"]),
        ("vendors", ["vendor.example"]),
        ("vendors", ["203.0.113.1/24"]),
        ("vendors", ["203.0.113.1"]),
        ("vendors", "203.0.113.0/24"),
        ("vendors", {"a": 1}),
        ("vendors", [["203.0.113.0/24"]]),
        ("tokens", [{"mark": 0, "value": "x"}]),
        ("tokens", [{"mark": 1}]),
        ("tokens", [None]),
        ("revoked", [1]),
        ("revoked", [1 << 20]),
        ("management_ports", list(range(1, 40))),
        ("rtp_first", 5000),
        ("extra", 1),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(bench: Bench, field: str, value: object) -> None:
    raw = intent().to_json() | {field: value}
    error = _ask(bench, raw)["error"]
    assert error["kind"] == "refused" and error["field"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        HEAD.pack(0),
        HEAD.pack(0xFFFFFFFF) + b"x",
        HEAD.pack(2) + b"{}",
        HEAD.pack(2) + b"[]",
        HEAD.pack(4) + b"\xff\xfe\xfd\xfc",
        HEAD.pack(100_000) + b"[" * 100_000,
        HEAD.pack(29) + b'{"v":1,"v":1,"verb":"status"}',
        HEAD.pack(12) + b'{"v":NaN    ',
        HEAD.pack(26) + b'{"v":true,"verb":"status"}',
        HEAD.pack(24) + b'{"v":1,"verb":"restart"}',
        HEAD.pack(29) + b'{"v":1,"verb":"status","x":1}',
        *(
            HEAD.pack(len(body)) + body
            for body in (
                b'{"v":1,"verb":"cut","marks":[' + b"9" * 5000 + b"]}",
                b'{"v":1,"verb":"cut","marks":[1.0]}',
                b'{"v":1,"verb":"cut","marks":[1e0]}',
                b'{"v":1,"verb":"\\ud800"}',
                b'{"v":1,"verb":"cut","marks":["\\u0000"]}',
                b'{"v":1,"verb":"revoke","fence":9223372036854775808,"marks":[]}',
                b'{"v":1,"verb":"revoke","fence":-1,"marks":[]}',
                b'{"v":1,"verb":"amend","fence":1e9,"add":[],"drop":[]}',
                b'{"v":1,"verb":"amend","fence":99,"add":[{"mark":1,"value":"x","y":1}],"drop":[]}',
                b'{"v":1,"verb":"amend","fence":99,"add":[[]],"drop":[]}',
                b'{"v":1,"verb":"amend","fence":99,"add":{},"drop":[]}',
                b'{"v":1,"verb":"amend","fence":99,"add":[],"drop":[true]}',
                b'{"v":1,"verb":"amend","fence":99,"add":'
                + json.dumps([{"mark": m, "value": "x"} for m in range(65)]).encode()
                + b',"drop":[]}',
                b'\xef\xbb\xbf{"v":1,"verb":"status"}',
            )
        ),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_a_broken_message_neither_changes_nor_ends_anything(bench: Bench, data: bytes) -> None:
    before = bench.rules()
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(8)
        made.connect(str(bench.socket))
        made.sendall(data)
        made.shutdown(socket.SHUT_WR)
        answer = made.recv(65_536)
    assert b'"ok":true' not in answer
    assert (bench.channel.status()["in_force"], bench.rules()) == (True, before)


def test_forged_requests_change_nothing(bench: Bench) -> None:
    random_ = random.Random(7)
    before = bench.rules()
    plain = json.dumps(
        {"v": 1, "verb": "apply", "fence": 1 << 50, "intent": intent(tokens=(token(9),)).to_json()}
    ).encode()
    for _ in range(300):
        body = bytearray(plain)
        for _ in range(random_.randint(1, 8)):
            body[random_.randrange(len(body))] = random_.choice(b'\x00\n"{}[],:x\xff')
        if not _honest(bytes(body)):
            assert _send(bench, HEAD.pack(len(body)) + bytes(body))["ok"] is False
    assert bench.rules() == before


def _honest(body: bytes) -> bool:
    """Whether the forgery happens to be another valid intent."""
    try:
        Intent.from_json(json.loads(body)["intent"])
    except (ValueError, KeyError, TypeError, Refused):
        return False
    return True


def test_silent_clients_do_not_keep_an_honest_one_out_for_long(bench: Bench) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(16)]
    for one in silent:
        one.connect(str(bench.socket))
        one.send(b"\x00")
    with pytest.raises(Exception, match="busy"):
        bench.channel.status()
    answered = threading.Event()
    answered.wait(5.3)
    assert bench.channel.status()["in_force"] is True
    for one in silent:
        one.close()
