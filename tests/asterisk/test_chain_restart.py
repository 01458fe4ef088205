"""What needs a restart of Asterisk is named, and waits; nobody is cut off meanwhile."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.stack import ROOT, Stack
from lab.vendor import FIRST, SERVER
from peers.realtime.restarting import rtp_range, started_at

pytestmark = pytest.mark.asterisk


def _owed(stack: Stack) -> str:
    return str(stack.ask("GET", "/status/")["nodes"][0]["restart_owed"])


def _owed_of(stack: Stack) -> Callable[[], str]:
    return lambda: _owed(stack)


@pytest.fixture(scope="module")
def made(stack: Stack) -> Iterator[dict[str, Any]]:
    """A peer with a number of its own; the node's ports are put back, and nothing is open after."""
    node = stack.rows("/nodes/")[0]
    peer = stack.peer("Waits for a restart")
    trunk = next(
        row["id"]
        for row in stack.rows("/trunks/")
        if f"{FIRST}/32" in [network["cidr"] for network in row["networks"]]
    )
    number = stack.ask(
        "POST",
        "/numbers/",
        {
            "trunk": trunk,
            "e164": "+442079469911",
            "steps": [{"kind": "ring", "peers": [peer["id"]]}],
        },
    )
    stack.settled()
    yield peer | {"number": "442079469911"}
    ports = {name: node[name] for name in ("sip_port", "rtp_first", "rtp_last")}
    stack.ask("PATCH", f"/nodes/{node['slug']}/", ports)
    stack.ask("DELETE", f"/numbers/{number['id']}/")
    stack.ask("DELETE", f"/peers/{peer['id']}/")
    stack.settled()
    if _owed(stack):
        restart(stack, "now")
    confirmed(stack)
    wait_until(lambda: not _owed(stack), 30, "nothing is owed")


def confirmed(stack: Stack) -> None:
    """Keep what is on trial, as the administrator does over a new connection."""

    def calm() -> bool:
        # Drift may have been noticed just before, and be on trial while the newest waits for it.
        newest, *older = stack.deployments()
        row = next((one for one in (newest, *older) if one["state"] == "confirming"), newest)
        if row["state"] == "confirming":
            world = str(stack.folder / "sandbox" / "world")
            subprocess.run(
                [sys.executable, "-m", "lab.knock", "--world", world], check=True, cwd=ROOT
            )
            stack.call("POST", f"/deployments/{row['id']}/confirm/", {})
        return bool(newest["finished"]) and stack.rows("/nodes/")[0]["converged"]

    wait_until(calm, 30, "the trial is confirmed", lambda: stack.deployments()[:3])


def restart(stack: Stack, how: str) -> dict[str, Any]:
    """Ask for a restart and wait until it is done."""
    node = stack.rows("/nodes/")[0]["slug"]
    row = stack.ask("POST", "/restarts/", {"node": node, "how": how})
    wait_until(lambda: state(stack, row) == "done", 30, "Asterisk is restarted")
    return dict(row)


def state(stack: Stack, row: dict[str, Any]) -> str:
    return str(stack.ask("GET", f"/restarts/{row['id']}/")["state"])


def rtp(stack: Stack) -> tuple[int, int] | None:
    """The range that Asterisk itself says it uses."""
    with stack.ami(orders=True) as client:
        return rtp_range(client)


def started(stack: Stack) -> int:
    """When Asterisk was started, in its own word: it may start anew as the same process."""
    with stack.ami() as client:
        return started_at(client)


@contextmanager
def call_up(stack: Stack, made: dict[str, Any], folder: Path) -> Iterator[PjsuaPhone]:
    """The peer's phone, registered, in a call; yields the vendor, who hangs up."""
    spaces = stack.world().ns
    agent = f"lab/1 {made['token']}"
    with (
        PjsuaPhone(spaces["phone"], folder / "phone", user_agent=agent) as phone,
        PjsuaPhone(spaces["vendor"], folder / "vendor", address=FIRST, port=5060) as vendor,
    ):
        assert phone.register(made["username"], made["password"], SERVER).registered
        vendor.identify("+441632960000", FIRST)
        assert vendor.call(f"sip:{made['number']}@{SERVER}").status == 200
        try:
            wait_until(lambda: len(stack.rows("/channels/")) == 2, 10, "the call is up")
            yield vendor
        finally:
            vendor.hangup()


def up(vendor: PjsuaPhone) -> bool:
    call = vendor.state().call
    return call is not None and call.answered and not call.ended


def test_another_sip_port_waits_and_phones_go_on_at_the_old_one(
    stack: Stack, made: dict[str, Any]
) -> None:
    node = stack.rows("/nodes/")[0]
    login = {"user": made["username"], "password": made["password"], "user_agent": made["token"]}
    stack.ask("PATCH", f"/nodes/{node['slug']}/", {"sip_port": 5066})
    stack.settled()
    assert "SIP port 5066 waits for a restart of Asterisk" in _owed(stack)
    assert "waits: SIP port 5066" in stack.manage("plan", check=False)
    with stack.line("phone", timeout=3) as say:
        assert say("register", **login)["status"] == 200
        say("register", **login, expires=0)
    stack.ask("PATCH", f"/nodes/{node['slug']}/", {"sip_port": node["sip_port"]})
    stack.settled()
    wait_until(lambda: not _owed(stack), 10, "nothing is owed")


def test_a_restart_waits_for_the_call_and_brings_the_new_ports_with_all_registrations(
    stack: Stack, made: dict[str, Any], tmp_path: Path
) -> None:
    node = stack.rows("/nodes/")[0]["slug"]
    begun = started(stack)
    with call_up(stack, made, tmp_path) as vendor:
        stack.ask("PATCH", f"/nodes/{node}/", {"rtp_first": 12000, "rtp_last": 12199})
        stack.settled()
        assert "RTP ports 12000 to 12199 wait for a restart" in _owed(stack)
        gone = stack.ask("POST", "/restarts/", {"node": node, "how": "quiet"})
        wait_until(lambda: state(stack, gone) == "asked", 15, "Asterisk is told")
        stack.ask("POST", f"/restarts/{gone['id']}/cancel/", {})
        wait_until(lambda: state(stack, gone) == "cancelled", 15, "it is taken back")
        row = stack.ask("POST", "/restarts/", {"node": node, "how": "quiet"})
        wait_until(lambda: state(stack, row) == "asked", 15, "Asterisk is told again")
        # A watch that dies forgets nothing.
        stack.kill("watch")
        time.sleep(2)
        assert (up(vendor), started(stack)) == (True, begun)
        vendor.hangup()
        wait_until(lambda: state(stack, row) == "done", 30, "Asterisk is restarted")
        confirmed(stack)
        wait_until(lambda: not _owed(stack), 20, "nothing is owed")
        assert rtp(stack) == (12000, 12199)
        again = vendor.call(f"sip:{made['number']}@{SERVER}")
        assert again.status == 200, "the registration is still there"


def test_a_former_port_of_sip_over_tls_is_named_until_asterisk_lets_go_of_it(
    stack: Stack, made: dict[str, Any]
) -> None:
    node = stack.rows("/nodes/")[0]
    at, former = f"/nodes/{node['slug']}/", "still serves SIP over TLS on port {}"
    stack.ask("PATCH", at, {"tls_port": 5071})
    confirmed(stack)
    wait_until(lambda: former.format(node["tls_port"]) in _owed(stack), 40, "it is named")
    stack.ask("PATCH", at, {"tls_port": node["tls_port"]})
    confirmed(stack)
    wait_until(
        lambda: former.format(5071) in _owed(stack), 40, "the other is named", _owed_of(stack)
    )
    restart(stack, "now")
    confirmed(stack)
    wait_until(lambda: not _owed(stack), 40, "nothing is owed", _owed_of(stack))


def test_a_restart_that_is_taken_back_never_comes(
    stack: Stack, made: dict[str, Any], tmp_path: Path
) -> None:
    node = stack.rows("/nodes/")[0]["slug"]
    begun = started(stack)
    with call_up(stack, made, tmp_path):
        row = stack.ask("POST", "/restarts/", {"node": node, "how": "quiet"})
        wait_until(lambda: state(stack, row) == "asked", 15, "Asterisk is told")
        stack.ask("POST", f"/restarts/{row['id']}/cancel/", {})
        wait_until(lambda: state(stack, row) == "cancelled", 15, "it is taken back")
    wait_until(lambda: not stack.rows("/channels/"), 10, "the call has ended")
    time.sleep(3)  # Asterisk looks once a second whether a call is up
    assert started(stack) == begun
