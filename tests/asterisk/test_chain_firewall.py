"""Who is let in: the whole chain with real packets, real rules and a real Asterisk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from firewall.channel import AgentChannel
from lab.keys import Places
from lab.process import wait_until
from lab.stack import Stack
from tests.asterisk.datagrams import heard

pytestmark = pytest.mark.asterisk

SDP = (
    "v=0\r\no=- 1 1 IN IP4 203.0.113.20\r\ns=-\r\nc=IN IP4 203.0.113.20\r\nt=0 0\r\n"
    "m=audio 20000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
DDI = "442079460123"


@pytest.fixture(scope="module")
def phone(stack: Stack) -> Iterator[dict[str, Any]]:
    """A peer of its own with its one-time password and token."""
    made = stack.peer("Chain phone")
    stack.settled()
    yield made
    stack.ask("DELETE", f"/peers/{made['id']}/")


def trace(stack: Stack) -> str:
    """Everything that Asterisk has written so far, besides what the watch makes it write."""
    logs = sorted((stack.folder / "sandbox" / "asterisk" / "log").rglob("*"))
    text = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
    return "\n".join(line for line in text.splitlines() if r"Service=\"AMI\"" not in line)


@contextmanager
def channels(stack: Stack) -> Iterator[list[str]]:
    """In which contexts calls begin meanwhile; there is no way into the dialplan without."""
    begun: list[str] = []
    with stack.ami(events=True) as client:
        yield begun
        while (event := client.next_event(0.5)) is not None:
            begun += [event.get("Context")] if event.event == "Newchannel" else []


def login(phone: dict[str, Any], **changes: str) -> dict[str, str]:
    return {
        "user": phone["username"],
        "password": phone["password"],
        "user_agent": phone["token"],
    } | changes


def near_miss(token: str) -> str:
    return token[:-1] + ("a" if token[-1] != "a" else "b")


@pytest.mark.parametrize("place", ["attacker", "phone", "admin"])
def test_a_register_without_a_token_gets_no_answer_and_leaves_no_trace(
    stack: Stack, phone: dict[str, Any], place: str
) -> None:
    before = trace(stack)
    with stack.line(place) as say:
        assert say("register", **login(phone, user_agent="Linphone"))["answers"] == []
    assert trace(stack) == before


def test_a_register_with_a_wrong_token_gets_no_answer_and_leaves_no_trace(
    stack: Stack, phone: dict[str, Any]
) -> None:
    before = trace(stack)
    with stack.line("attacker") as say:
        assert (
            say("register", **login(phone, user_agent=near_miss(phone["token"])))["answers"] == []
        )
    assert trace(stack) == before


def test_a_response_out_of_nowhere_is_dropped_as_one(stack: Stack) -> None:
    """Asterisk itself would neither answer nor name it."""
    channel = AgentChannel(Places(stack.folder).agent_socket)

    def dropped() -> int:
        return int(channel.counters()["totals"].get("drop", {}).get("unasked_response", 0))

    before = dropped()
    response = (
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bKx\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )
    with stack.line("admin", port=5060) as say:
        assert say("send", text=response)["answers"] == []
    wait_until(lambda: dropped() > before, 5, "it is dropped")


def test_the_right_token_and_password_register_a_phone_behind_nat(
    stack: Stack, phone: dict[str, Any]
) -> None:
    with stack.line("phone") as say:
        assert say("register", **login(phone))["status"] == 200
        assert say("register", **login(phone), expires=0)["status"] == 200


def test_the_right_token_and_a_wrong_password_are_401_and_reach_no_dialplan(
    stack: Stack, phone: dict[str, Any]
) -> None:
    with channels(stack) as begun, stack.line("attacker") as say:
        wrong = login(phone, password="x" * 26)
        assert say("register", **wrong)["status"] == 401
        invite = {"method": "INVITE", "user": DDI, "from_user": phone["username"], "body": SDP}
        assert say("ask", **invite, user_agent=phone["token"])["status"] == 401
    assert begun == []


def test_a_vendor_that_calls_an_unknown_number_hears_404(stack: Stack) -> None:
    with channels(stack) as begun, stack.line("vendor", timeout=3) as say:
        wish = {"method": "INVITE", "user": "442079460999", "from_user": "100", "body": SDP}
        assert say("ask", **wish)["status"] == 404
    assert begun == ["from-trunk"]


def test_a_vendor_can_not_reach_a_number_of_another_trunk(stack: Stack) -> None:
    node = stack.rows("/nodes/")[0]["slug"]
    made = stack.ask(
        "POST",
        "/trunks/",
        {"node": node, "name": "Second vendor", "networks": [{"cidr": "203.0.113.21/32"}]},
    )
    stack.settled()
    try:
        with stack.line("vendor", timeout=3, source="203.0.113.21") as say:
            wish = {"method": "INVITE", "user": DDI, "from_user": "100", "body": SDP}
            assert say("ask", **wish)["status"] == 404
    finally:
        stack.ask("DELETE", f"/trunks/{made['id']}/")
    stack.settled()


def test_a_stranger_who_names_a_trunk_reaches_no_dialplan(
    stack: Stack, phone: dict[str, Any]
) -> None:
    trunk = stack.rows("/trunks/")[0]["key"]
    with channels(stack) as begun, stack.line("attacker", timeout=2) as say:
        wish = {"method": "INVITE", "user": DDI, "from_user": trunk, "body": SDP}
        assert say("ask", **wish)["status"] == 0
        assert say("ask", **wish, user_agent=phone["token"])["status"] == 401
    assert begun == []


def test_rtp_of_a_stranger_is_dropped_and_a_vendors_is_let_in(stack: Stack) -> None:
    # The attacker's address proved a token in other tests; the administrator's never does.
    admin, vendor = (("203.0.113.100", "2001:db8:113::100"), ("203.0.113.20", "2001:db8:113::20"))
    assert heard(stack.world(), admin=admin, vendor=vendor) == set(vendor)


CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.0); print("open")
except TimeoutError: print("silent")
except OSError: print("refused")
"""


@pytest.mark.parametrize("server", ["203.0.113.10", "2001:db8:113::10"])
@pytest.mark.parametrize(
    ("place", "answer"),
    [("admin", "open"), ("attacker", "silent"), ("vendor", "silent"), ("phone", "silent")],
)
def test_the_management_port_answers_from_the_management_network_only(
    stack: Stack, place: str, answer: str, server: str
) -> None:
    if place == "phone" and ":" in server:
        pytest.skip("the phone's network is IPv4 behind NAT")
    done = stack.world().run(place, [sys.executable, "-c", CONNECT, server, "22"])
    assert done.stdout.strip() == answer


# SIP over TCP and TLS is answered by the kernel and by nobody else: see test_chain_tls.
@pytest.mark.parametrize("port", ["5038", "8000"])
def test_no_tcp_port_answers_a_stranger(stack: Stack, port: str) -> None:
    done = stack.world().run("attacker", [sys.executable, "-c", CONNECT, "203.0.113.10", port])
    assert done.stdout.strip() == "silent"
