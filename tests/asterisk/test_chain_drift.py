"""Another's hand in the running firewall: noticed, shown and healed within 30 seconds."""

import os
import time

import pytest

from lab.process import wait_until
from lab.stack import Stack
from lab.tools import tool

pytestmark = pytest.mark.asterisk
SECONDS = 30
BACKENDS = ("nft", "legacy")


def _run(stack: Stack, name: str, *arguments: str, text: str | None = None) -> str:
    command = tool(name)
    done = stack.world().run("srv", command.line(*arguments), env=command.env, input=text)
    return done.stdout


def _backend(stack: Stack) -> str:
    return next(one for one in BACKENDS if "DDI-IN" in _run(stack, f"iptables-{one}-save"))


def _rules(stack: Stack, backend: str) -> list[str]:
    text = _run(stack, f"iptables-{backend}-save", "-t", "filter")
    return [line for line in text.splitlines() if "DDI" in line and not line.startswith((":", "#"))]


HARMS = {
    "the hook is gone": (["-D", "INPUT", "-j", "DDI-IN"], "removed the hook"),
    "a rule was inserted": (["-I", "DDIa-SIP", "1", "-j", "ACCEPT"], "added a rule in DDIa-SIP"),
    "a rule was deleted": (["-D", "DDIa-IN", "-j", "DROP"], "removed a rule in DDIa-IN"),
    "a rule was changed": (["-R", "DDIa-VERDICT", "1", "-j", "ACCEPT"], "in DDIa-VERDICT"),
    "a set lost a member": ([], "from the list “vendor”"),
    "all was restored": ([], "another program loaded a whole filter table"),
}


#: Each waits for a turn of the clock; all of them with DDIWEB_TEST_SCALE=1. What each harm is
#: called is tried on both backends in tests/kernel/test_firewall_drift.py.
TRIED = list(HARMS) if os.environ.get("DDIWEB_TEST_SCALE") else list(HARMS)[::3] + list(HARMS)[-1:]


@pytest.mark.parametrize("harm", TRIED)
def test_it_is_healed_within_thirty_seconds_and_said(stack: Stack, harm: str) -> None:
    stack.settled()
    backend, last = _backend(stack), stack.deployments()[0]["id"]
    before, words = _rules(stack, backend), HARMS[harm][1]
    slot = next(line for line in before if line.startswith("-A DDI-IN")).split()[-1][:4]
    command = [part.replace("DDIa", slot) for part in HARMS[harm][0]]
    vendor = ""
    if command:
        _run(stack, f"iptables-{backend}", *command)
    elif harm == "all was restored":
        _run(stack, f"iptables-{backend}-restore", text="*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    else:
        names = _run(stack, "ipset", "list", "-n").split()
        vendor = next(name for name in names if name.startswith("ddi-vendor4"))
        _run(stack, "ipset", "flush", vendor)
    began = time.monotonic()

    def healed() -> bool:
        whole = not vendor or "\nadd " in _run(stack, "ipset", "save", vendor)
        return whole and _rules(stack, backend) == before

    wait_until(healed, SECONDS, "the rules are as they were")
    took = time.monotonic() - began
    stack.settled()
    rows = [row for row in stack.deployments() if row["id"] > last]
    drift = [stack.ask("GET", f"/deployments/{row['id']}/")["drift"] for row in rows]
    said = " ".join(text for one in drift if one for text in one["words"])
    assert words.replace("DDIa", slot) in said, (said, took)


def test_a_way_into_the_dialplan_is_closed_within_thirty_seconds_and_said(stack: Stack) -> None:
    stack.settled()
    last = stack.deployments()[0]["id"]
    with stack.ami(orders=True) as client:

        def there() -> bool:
            said = client.action("Command", Command="dialplan show 666@from-peer")
            return "PJSIP/anybody" in str(said)

        add = "dialplan add extension 666,1,Dial,PJSIP/anybody into from-peer"
        client.action("Command", Command=add)
        assert there()
        wait_until(lambda: not there(), SECONDS, "the line is gone")
    stack.settled()
    rows = [row for row in stack.deployments() if row["id"] > last]
    plans = [str(stack.ask("GET", f"/deployments/{row['id']}/")["drift"]) for row in rows]
    assert "dialplan [from-peer]: 1 lines that are not ours" in " ".join(plans)
