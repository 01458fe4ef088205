"""Why and how much, asked of the running whole: the node's own kernel answers and counts."""

from typing import Any

import pytest

from lab.process import wait_until
from lab.stack import Stack

pytestmark = pytest.mark.asterisk


def _why(stack: Stack, **fields: Any) -> dict[str, Any]:
    node = stack.rows("/nodes/")[0]["slug"]
    found: dict[str, Any] = stack.ask(
        "POST", f"/nodes/{node}/why/", {"source": "203.0.113.66:5060"} | fields
    )
    return found


def test_the_nodes_kernel_and_the_oracle_say_why_a_stranger_is_dropped(stack: Stack) -> None:
    stack.settled()
    found = _why(stack, payload="REGISTER sip:pbx SIP/2.0\nUser-Agent: x\n")
    assert (found["passes"], found["agreed"]) == (False, True), found
    assert found["sentence"] == "It is dropped: it carries no token."
    assert found["kernel"][-1]["text"].endswith("dropped")


def test_a_phone_is_let_in_by_its_name_and_its_token_is_not_shown(stack: Stack) -> None:
    made = stack.peer("Explained phone")
    stack.settled()
    try:
        found = _why(stack, peer=made["id"])
    finally:
        stack.ask("DELETE", f"/peers/{made['id']}/")
    assert (found["passes"], found["agreed"]) == (True, True), found
    assert "“Explained phone”" in found["sentence"]
    assert made["token"] not in str(found)


def test_packets_of_a_stranger_show_up_in_the_time_series(stack: Stack) -> None:
    node = stack.rows("/nodes/")[0]["slug"]

    def dropped() -> int:
        body = stack.ask("GET", f"/nodes/{node}/traffic/?kind=drop")
        return sum(one["total"] for one in body["series"] if one["key"] == "no_token")

    before = dropped()
    with stack.line("attacker") as say:
        for _ in range(5):
            say("send", text="OPTIONS sip:x SIP/2.0\r\n\r\n")
    wait_until(lambda: dropped() >= before + 5, 90, "the packets are counted")
