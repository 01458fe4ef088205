"""What needs a restart of Asterisk is named, and waits; nobody is cut off meanwhile."""

import pytest

from lab.process import wait_until
from lab.stack import Stack

pytestmark = pytest.mark.asterisk


def _owed(stack: Stack) -> str:
    return str(stack.ask("GET", "/status/")["nodes"][0]["restart_owed"])


def test_another_sip_port_waits_and_phones_go_on_at_the_old_one(stack: Stack) -> None:
    node = stack.rows("/nodes/")[0]
    made = stack.peer("Waits for a restart")
    stack.settled()
    login = {"user": made["username"], "password": made["password"], "user_agent": made["token"]}
    stack.ask("PATCH", f"/nodes/{node['slug']}/", {"sip_port": 5066})
    try:
        stack.settled()
        assert "SIP port 5066 waits for a restart of Asterisk" in _owed(stack)
        assert "waits: SIP port 5066" in stack.manage("plan", check=False)
        with stack.line("phone", timeout=3) as say:
            assert say("register", **login)["status"] == 200
            say("register", **login, expires=0)
    finally:
        stack.ask("PATCH", f"/nodes/{node['slug']}/", {"sip_port": node["sip_port"]})
        stack.ask("DELETE", f"/peers/{made['id']}/")
    stack.settled()
    wait_until(lambda: not _owed(stack), 10, "nothing is owed")
