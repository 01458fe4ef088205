"""RFC 4475 and RFC 5118 from a phone's address, each with a valid token: Asterisk survives."""

import secrets
from typing import Any

import pytest

from ddiweb.deploy.errors import DeployError
from firewall.channel import AgentChannel
from lab.keys import Places
from lab.process import start_time, wait_until
from lab.stack import Stack
from tests.asterisk.torture import MESSAGES, RFC4475, RFC5118, with_token

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(300)]


def _counted(channel: AgentChannel) -> int:
    """Packets that the kernel let in for their token."""
    try:
        return sum(channel.counters()["totals"].get("token", {}).values())
    except DeployError:
        return -1


def test_the_messages_are_those_of_both_rfcs() -> None:
    assert (len(RFC4475), len(RFC5118)) == (49, 11)


@pytest.mark.parametrize("server", ["203.0.113.10", "2001:db8:113::10"])
def test_asterisk_survives_all_of_them_and_the_traffic_shows_them(
    stack: Stack, server: str
) -> None:
    made: dict[str, Any] = stack.peer(f"Torture {secrets.token_hex(4)}")
    stack.settled()
    channel = AgentChannel(Places(stack.folder).agent_socket)
    pid, begun = stack.pid("asterisk"), start_time(stack.pid("asterisk"))
    login = {"user": made["username"], "password": made["password"], "user_agent": made["token"]}
    with stack.line("attacker", server=server, timeout=3) as say:
        shown = len(stack.rows("/contacts/"))
        assert say("register", **login)["status"] == 200
        # Known to be a phone's, the address is not banned for the accounts that the messages name.
        wait_until(lambda: len(stack.rows("/contacts/")) > shown, 20, "the phone is shown")
        before = _counted(channel)
        answered = 0
        for name, build in MESSAGES.items():
            text = with_token(build(f"t{secrets.token_hex(6)}"), made["token"])
            reply = say("send", text=text, encoding="latin-1", timeout=0.05)
            answered += bool(reply["answers"])
            assert start_time(pid) == begun, f"{name}: Asterisk ended"
        # Whatever is repeated of old answers goes on; a new request is answered as ever.
        assert say("register", **login)["status"] == 200
        # A token counts in requests only.
        sent = sum(not build("x").startswith("SIP/") for build in MESSAGES.values())
        wait_until(lambda: _counted(channel) - before >= sent, 5, "all are counted")
        say("register", **login, expires=0)
    print(f"\n{len(MESSAGES)} messages over {server}, {answered} answered at once")
    text = with_token(MESSAGES["RFC 4475 wsinv"]("why"), made["token"])
    node = stack.rows("/nodes/")[0]["slug"]
    why = stack.ask("POST", f"/nodes/{node}/why/", {"source": "203.0.113.66:5060", "payload": text})
    stack.ask("DELETE", f"/peers/{made['id']}/")
    assert (why["passes"], made["token"] in str(why)) == (True, False)
    assert stack.pid("asterisk") == pid
