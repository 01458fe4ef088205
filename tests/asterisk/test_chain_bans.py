"""Wrong passwords with a valid token, on the real chain: event, watch, row, agent, kernel."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firewall.channel import AgentChannel
from lab.iax_phone import IaxPhone
from lab.keys import Places
from lab.process import wait_until
from lab.stack import Stack
from lab.tools import tool

pytestmark = pytest.mark.asterisk
#: One address in each of five networks, all of them the attacker's.
FAR = [f"198.18.{n}.9" for n in range(1, 6)]
FAILURES = 5

Say = Callable[..., dict[str, Any]]


def ip(stack: Stack, place: str, *words: str) -> str:
    """Run ``ip`` in a namespace of the world."""
    command = tool("ip")
    return stack.world().run(place, command.line(*words), env=command.env).stdout


def _link(stack: Stack, place: str, address: str) -> str:
    """The name of the interface that has an address."""
    rows = json.loads(ip(stack, place, "-j", "addr"))
    return next(
        str(row["ifname"])
        for row in rows
        if any(one.get("local") == address for one in row["addr_info"])
    )


@pytest.fixture(scope="module")
def far(stack: Stack) -> Iterator[list[str]]:
    """The attacker's addresses in other networks."""
    own, server = (
        _link(stack, "attacker", "203.0.113.66"),
        _link(stack, "srv", "203.0.113.10"),
    )
    ip(stack, "srv", "route", "add", "198.18.0.0/16", "via", "203.0.113.66", "dev", server)
    for address in FAR:
        ip(stack, "attacker", "addr", "add", f"{address}/32", "dev", own)
    yield FAR
    for address in FAR:
        ip(stack, "attacker", "addr", "del", f"{address}/32", "dev", own)
    ip(stack, "srv", "route", "del", "198.18.0.0/16")


@pytest.fixture
def agent(stack: Stack) -> AgentChannel:
    return AgentChannel(Places(stack.folder).agent_socket)


@pytest.fixture
def phone(stack: Stack) -> Iterator[dict[str, Any]]:
    """A peer of this test alone, with its password and token."""
    made = stack.peer(f"Phone {time.monotonic_ns()}")
    stack.settled()
    yield made
    stack.ask("DELETE", f"/peers/{made['id']}/")
    stack.settled()


@pytest.fixture(autouse=True)
def let_all_in(stack: Stack, agent: AgentChannel) -> Iterator[None]:
    yield
    for row in stack.rows("/bans/?active=true"):
        stack.ask("POST", f"/bans/{row['id']}/lift/", {})
    wait_until(lambda: not agent.jailed(), 30, "nobody is banned")


def login(phone: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {
        "user": phone["username"],
        "password": phone["password"],
        "user_agent": f"Phone {phone['token']}",
    } | over


def fail(say: Say, phone: dict[str, Any], times: int = 1) -> list[int]:
    """Register with wrong passwords; the statuses."""
    return [say("register", **login(phone, password=f"wrong-{n}"))["status"] for n in range(times)]


def test_wrong_passwords_ban_an_address_within_a_second_and_lifting_lets_it_in(
    stack: Stack, phone: dict[str, Any], far: list[str], agent: AgentChannel
) -> None:
    net = f"{far[0]}/32"
    with stack.line("attacker", source=far[0]) as say:
        assert fail(say, phone, FAILURES - 1) == [401] * (FAILURES - 1)
        time.sleep(0.3)
        assert net not in agent.jailed()
        begun = time.monotonic()
        fail(say, phone)
        wait_until(lambda: net in agent.jailed(), 10, "the kernel bans it")
        took = time.monotonic() - begun
        print(f"\nfrom the last wrong REGISTER to the kernel: {took:.3f} s")
        assert say("register", **login(phone))["status"] == 0
        (row,) = stack.rows(f"/bans/?active=true&cidr={net}")
        assert (row["reason"], row["source"], row["refused"]) == ("wrong_password", "watch", "")
        stack.ask("POST", f"/bans/{row['id']}/lift/", {})
        wait_until(lambda: net not in agent.jailed(), 30, "it is let in again")
        assert say("register", **login(phone))["status"] == 200
        say("register", **login(phone), expires=0)


def test_a_guesser_with_a_valid_token_is_stopped_at_the_threshold(
    stack: Stack, phone: dict[str, Any], far: list[str]
) -> None:
    with stack.line("attacker", source=far[1], timeout=0.5) as say:
        answered = 0
        while answered < 60:
            status = say("register", **login(phone, password=f"guess-{answered}"))["status"]
            if status == 0:
                break
            answered += 1
            time.sleep(0.05)
    print(f"\na guesser with a valid token at 20 a second had {answered} answers")
    assert FAILURES <= answered < 60


def test_an_address_with_a_phone_online_is_spared_and_the_log_says_so(
    stack: Stack, phone: dict[str, Any], far: list[str], agent: AgentChannel
) -> None:
    with (
        stack.line("attacker", source=far[2]) as good,
        stack.line("attacker", source=far[2]) as bad,
    ):
        assert good("register", **login(phone))["status"] == 200
        wait_until(
            lambda: any(far[2] in row["address"] for row in stack.rows("/contacts/")), 15, "seen"
        )
        fail(bad, phone, FAILURES)
        path = f"/security-events/?kind=spared_phone_online&address={far[2]}"
        wait_until(lambda: bool(stack.rows(path)), 10, "the log says that it was spared")
        assert agent.jailed() == {}
        assert good("register", **login(phone), expires=0)["status"] == 200


def test_a_token_whose_passwords_fail_from_two_networks_is_quarantined_alone(
    stack: Stack, phone: dict[str, Any], far: list[str]
) -> None:
    other = stack.peer(f"Neighbour {time.monotonic_ns()}")
    stack.settled()
    with (
        stack.line("attacker", source=far[3]) as here,
        stack.line("attacker", source=far[4]) as there,
        stack.line("attacker", source="203.0.113.67") as neighbour,
    ):
        assert neighbour("register", **login(other))["status"] == 200
        fail(here, phone, 3)
        begun = time.monotonic()
        fail(there, phone, 2)
        path = f"/tokens/?peer={phone['id']}"
        wait_until(lambda: stack.rows(path)[0]["state"] == "revoked", 10, "it is revoked")
        print(f"\nfrom the last failure to the revocation: {time.monotonic() - begun:.3f} s")
        stack.settled()
        assert stack.rows(path)[0]["reason"] == "suspected leaked"
        assert here("register", **login(phone))["status"] == 0
        assert neighbour("register", **login(other))["status"] == 200
        fresh = stack.ask("POST", f"/peers/{phone['id']}/rotate/", {})["secrets"]["token"]
        stack.settled()
        assert here("register", **login(phone | {"token": fresh}))["status"] == 200
        here("register", **login(phone | {"token": fresh}), expires=0)
    stack.ask("DELETE", f"/peers/{other['id']}/")


def test_wrong_passwords_of_iax2_ban_an_address_within_a_second(
    stack: Stack, agent: AgentChannel, tmp_path: Path
) -> None:
    node, net = stack.rows("/nodes/")[0], "203.0.113.66/32"
    stack.ask("PATCH", f"/nodes/{node['slug']}/", {"iax_port": 4569})
    made = stack.peer(f"Iax {time.monotonic_ns()}", transport="iax", carrier="username")
    stack.settled()
    wrong = IaxPhone(
        stack.world().ns["attacker"], tmp_path / "iax", user=made["token"],
        password="wrong-password-1", server="203.0.113.10",
    )  # fmt: skip
    try:
        with wrong:  # it registers once, and then calls
            for _ in range(FAILURES - 2):
                wrong.dial("123")
            time.sleep(1)
            assert net not in agent.jailed()
            begun = time.monotonic()
            wrong.dial("123")
            wait_until(lambda: net in agent.jailed(), 10, "the kernel bans it")
            print(f"\nfrom the last wrong NEW to the kernel: {time.monotonic() - begun:.3f} s")
        (row,) = stack.rows(f"/bans/?active=true&cidr={net}")
        assert (row["reason"], row["source"]) == ("wrong_password", "watch")
    finally:
        stack.ask("DELETE", f"/peers/{made['id']}/")
        stack.ask("PATCH", f"/nodes/{node['slug']}/", {"iax_port": node["iax_port"]})
        stack.settled()


@pytest.mark.skipif(
    os.environ.get("DDIWEB_TEST_PLACES") != "1", reason="takes a minute: DDIWEB_TEST_PLACES=1"
)
def test_a_token_in_use_in_four_places_at_once_is_quarantined_and_a_roaming_one_is_not(
    stack: Stack, phone: dict[str, Any], far: list[str]
) -> None:
    roamer = stack.peer(f"Roamer {time.monotonic_ns()}")
    stack.settled()
    path = f"/tokens/?peer={phone['id']}"
    with contextlib.ExitStack() as lines:
        many = [
            lines.enter_context(stack.line("attacker", source=address, timeout=0.3))
            for address in far[:4]
        ]
        begun = time.monotonic()
        taken = 0.0
        for turn in range(30):
            for say in many:
                say("ask", method="OPTIONS", user="x", user_agent=phone["token"])
            with stack.line("attacker", source=far[turn % 5], timeout=1) as say:
                assert say("register", **login(roamer))["status"] == 200
            if stack.rows(path)[0]["state"] == "revoked":
                taken = time.monotonic() - begun
                break
            time.sleep(2)
    print(f"\nin use in 4 places at once, quarantined after {taken:.0f} s")
    assert taken
    state = {row["state"] for row in stack.rows(f"/tokens/?peer={roamer['id']}")}
    stack.ask("DELETE", f"/peers/{roamer['id']}/")
    assert state == {"current"}
