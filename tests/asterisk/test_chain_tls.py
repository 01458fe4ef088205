"""Phones over TCP and TLS through the kernel's gate: the token is the server's name."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.demo import SIP_DOMAIN
from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.stack import ROOT, Stack
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ, Vendor
from tests.asterisk.conftest import PHONE_TONE_HZ
from tests.asterisk.test_chain_firewall import trace

pytestmark = pytest.mark.asterisk
TLS_PORT, TCP_PORT = 5061, 5060
LINPHONE_TONE_HZ = 700
ADDRESSES = (SERVER, "2001:db8:113::10")


@dataclass
class Line:
    """A peer with a number of its own, and the authority that its phone trusts."""

    stack: Stack
    peer: dict[str, Any]
    number: str
    ca: Path

    @property
    def at(self) -> str:
        """The server as the phone is told it: the token is the first label."""
        return f"{self.peer['token']}.{SIP_DOMAIN}:{TLS_PORT}"

    def rotated(self, seconds: int) -> str:
        """Rotate; returns the new server name, once it is in force."""
        made = self.stack.ask(
            "POST", f"/peers/{self.peer['id']}/rotate/", {"grace_seconds": seconds}
        )
        self.stack.settled()
        return f"{made['secrets']['token']}.{SIP_DOMAIN}:{TLS_PORT}"

    def register(self, phone: PjsuaPhone, at: str, wait: float = 6.0) -> bool:
        """Register; returns whether it was accepted."""
        user, password = self.peer["username"], self.peer["password"]
        return phone.register(user, password, at, wait=wait).registered


def connections(stack: Stack) -> int:
    """TCP connections that Asterisk's host has accepted on the SIP ports."""
    found = 0
    for table in ("tcp", "tcp6"):
        text = stack.world().run("srv", ["cat", f"/proc/net/{table}"]).stdout
        for entry in text.splitlines()[1:]:
            _, local, _, state, *_ = entry.split()
            # 01 is ESTABLISHED (include/net/tcp_states.h).
            if state == "01" and int(local.rpartition(":")[2], 16) in (TCP_PORT, TLS_PORT):
                found += 1
    return found


@pytest.fixture(scope="module")
def ca(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stack.settled()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_text(stack.manage("ca", "show"))
    return path


@pytest.fixture
def line(stack: Stack, ca: Path, request: pytest.FixtureRequest) -> Iterator[Line]:
    """A phone of its own; ``request.param`` are further fields of the peer."""
    fields = {"transport": "tls", "strict_names": True} | getattr(request, "param", {})
    peer = stack.peer(f"Tls {request.node.name[-12:]}".replace("[", " ").replace("]", ""), **fields)
    first = f"{FIRST}/32"
    trunk = next(
        row["id"]
        for row in stack.rows("/trunks/")
        if first in [network["cidr"] for network in row["networks"]]
    )
    digits = f"+44207946{peer['id'] % 1000:04d}"
    number = stack.ask(
        "POST",
        "/numbers/",
        {"trunk": trunk, "e164": digits, "steps": [{"kind": "ring", "peers": [peer["id"]]}]},
    )
    stack.settled()
    yield Line(stack, peer, digits, ca)
    stack.ask("DELETE", f"/numbers/{number['id']}/")
    stack.ask("DELETE", f"/peers/{peer['id']}/")
    stack.settled()


def phone_of(line: Line, folder: Path, transport: str = "tls") -> PjsuaPhone:
    return PjsuaPhone(
        line.stack.world().ns["phone"],
        folder,
        user_agent=f"lab/1 {line.peer['token']}",
        tone_hz=PHONE_TONE_HZ,
        transport=transport,
        ca=line.ca if transport == "tls" else None,
    )


def test_a_call_over_tls_with_srtp_is_heard_at_both_ends_and_the_server_is_verified(
    line: Line, tmp_path: Path
) -> None:
    with phone_of(line, tmp_path / "phone") as phone:
        assert line.register(phone, line.at)
        vendor = Vendor(line.stack.world().ns["vendor"], tmp_path / "vendor")
        call = vendor.call_with_audio(line.number, phone)
        assert (call.state.status, call.vendor_heard.hz, call.phone_heard.hz) == (
            200,
            PHONE_TONE_HZ,
            VENDOR_TONE_HZ,
        )


@pytest.mark.parametrize(
    "line", [{"transport": "tcp", "strict_names": False}], indirect=True, ids=["tcp"]
)
def test_a_call_over_tcp_is_heard_at_both_ends(line: Line, tmp_path: Path) -> None:
    with phone_of(line, tmp_path / "phone", "tcp") as phone:
        assert line.register(phone, f"{SERVER}:{TCP_PORT}")
        vendor = Vendor(line.stack.world().ns["vendor"], tmp_path / "vendor")
        call = vendor.call_with_audio(line.number, phone)
        assert (call.state.status, call.vendor_heard.hz, call.phone_heard.hz) == (
            200,
            PHONE_TONE_HZ,
            VENDOR_TONE_HZ,
        )


@pytest.mark.parametrize(
    ("line", "transport"),
    [
        ({"strict_names": False}, "tls"),
        ({"transport": "tcp", "strict_names": False}, "tcp"),
    ],
    indirect=["line"],
    ids=["tls", "tcp"],
)
def test_linphone_is_called_over(line: Line, transport: str, tmp_path: Path) -> None:
    world, peer = line.stack.world(), line.peer
    agent = f"Linphone-lab {peer['token']}"
    at = line.at if transport == "tls" else f"{SERVER}:{TCP_PORT}"
    with LinphonePhone(
        world.ns["phone"], tmp_path / "phone", user_agent=agent, ca=line.ca
    ) as phone:
        assert phone.register(peer["username"], peer["password"], at, transport=transport)
        with PjsuaPhone(
            world.ns["vendor"],
            tmp_path / "vendor",
            address=FIRST,
            port=5060,
            tone_hz=VENDOR_TONE_HZ,
        ) as vendor:
            vendor.identify("+441632960000", FIRST)
            assert vendor.call(f"sip:{line.number}@{SERVER}").status == 200
            phone.play()
            assert vendor.heard(2.0).hz == LINPHONE_TONE_HZ


HELLO = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for server in sys.argv[2:]:
    try:
        plain = socket.create_connection((server, 5061), 1.0)
        plain.settimeout(1.5)
        context.wrap_socket(plain, server_hostname=sys.argv[1] or None)
        print("spoke")
    except OSError:
        print("silent")
"""


def near_miss(name: str) -> str:
    return name[:20] + ("a" if name[20] != "a" else "b") + name[21:]


@pytest.mark.parametrize("kind", ["no name", "the domain alone", "a wrong token"])
def test_without_a_token_in_the_name_no_byte_reaches_asterisk(line: Line, kind: str) -> None:
    name = {
        "no name": "",
        "the domain alone": SIP_DOMAIN,
        "a wrong token": near_miss(line.at.partition(":")[0]),
    }[kind]
    before, held = trace(line.stack), connections(line.stack)
    done = line.stack.world().run("attacker", [sys.executable, "-c", HELLO, name, *ADDRESSES])
    assert done.stdout.split() == ["silent", "silent"]
    assert (trace(line.stack), connections(line.stack)) == (before, held)


def test_the_right_name_is_answered_on_both_families(line: Line) -> None:
    name = line.at.partition(":")[0]
    done = line.stack.world().run("attacker", [sys.executable, "-c", HELLO, name, *ADDRESSES])
    assert done.stdout.split() == ["spoke", "spoke"]


def test_a_rotation_gives_a_new_name_and_cuts_the_old_connection_after_the_grace(
    line: Line, tmp_path: Path
) -> None:
    with phone_of(line, tmp_path / "old") as old, phone_of(line, tmp_path / "new") as new:
        assert line.register(old, line.at)
        name = line.rotated(20)
        assert _answered(old), "the old name holds while the grace runs"
        assert line.register(new, name), "the new name holds at once, and the certificate has it"
        wait_until(lambda: not _answered(old), 60, "the old connection is cut")
        line.stack.settled()
        assert _answered(new), "the phone goes on by its new name"
        assert not line.register(old, line.at, wait=4.0), "the old name is shut"


def test_a_compromise_cuts_the_connection_at_once(line: Line, tmp_path: Path) -> None:
    with phone_of(line, tmp_path / "phone") as phone:
        assert line.register(phone, line.at)
        line.stack.ask("POST", f"/peers/{line.peer['id']}/compromised/")
        line.stack.settled()
        assert not _answered(phone)
        vendor = Vendor(line.stack.world().ns["vendor"], tmp_path / "vendor")
        assert vendor.call(line.number).status == 480


def _answered(phone: PjsuaPhone) -> bool:
    """Whether a REGISTER on the phone's connection is answered; silence leaves the code at 0."""
    return phone.reregister(wait=3.0).code == 200


FLOOD = """
import socket, sys, time
count, servers, held = int(sys.argv[1]), sys.argv[2:], []
for number in range(count):
    server, port = servers[number % len(servers)], (5060, 5061)[number % 2]
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setblocking(False)
    s.connect_ex((server, port))
    held.append(s)
    if number % 4 == 3 and number > 8:
        try: held[number - 8].send(b"\\x16\\x03\\x01")   # half a hello
        except OSError: pass
    if number % 50 == 49: time.sleep(0.05)
print("held", len(held), flush=True)
sys.stdin.read()
"""


def test_idle_and_half_open_connections_reach_nobody_while_a_phone_registers(
    line: Line, tmp_path: Path
) -> None:
    """500 of them; DDIWEB_TEST_CONNECTS=10000 for the full number."""
    count = os.environ.get("DDIWEB_TEST_CONNECTS", "500")
    held = connections(line.stack)
    command = line.stack.world().argv(
        "attacker", ["prlimit", "--nofile=20000", sys.executable, "-c", FLOOD, count, *ADDRESSES]
    )
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as flood:
        assert flood.stdin
        assert flood.stdout
        try:
            assert flood.stdout.readline() == f"held {count}\n"
            with phone_of(line, tmp_path / "phone") as phone:
                assert line.register(phone, line.at)
                assert connections(line.stack) == held + 1
        finally:
            flood.stdin.close()
            flood.wait(20)
