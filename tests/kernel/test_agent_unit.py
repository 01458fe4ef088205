"""The agent works within the bounds of its systemd unit, and the bounds hold."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firewall.ruleset.packet import Packet
from tests.kernel.bench import PHONE, ROOT, SIP, SRV, Bench, intent, register, token
from tests.kernel.confine import HEADER, calls, service

UNIT = ROOT / "deploy" / "systemd" / "ddiweb-agent.service"
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        not HEADER.exists() or not Path("/usr/bin/systemd-analyze").exists(),
        reason="needs systemd-analyze and linux-libc-dev on x86-64",
    ),
]
CONFINED = [sys.executable, "-m", "tests.kernel.confine", str(UNIT), "--"]


@pytest.fixture
def confined(bench: Bench) -> Iterator[Bench]:
    """The agent of this bench, started anew within the unit's bounds."""
    bench.kill_agent()
    bench.start_agent(before=CONFINED)
    yield bench
    bench.kill_agent()


def test_every_verb_works_within_the_units_bounds(confined: Bench) -> None:
    channel = confined.channel
    confined.apply(tokens=tuple(token(mark) for mark in range(1, 40)))
    channel.amend([token(50)], [3], confined.fence())
    channel.revoke([4], confined.fence())
    packet = Packet(4, "udp", PHONE[4], SRV[4], 5060, SIP, register(token(50).value))
    probed = channel.probe([packet])
    assert probed["kernel"], probed["reason"]
    assert [one["verdict"] for one in probed["kernel"]] == ["accept"]
    assert channel.status()["in_force"]
    channel.counters()
    channel.cut([1])
    channel.rollback(confined.fence())
    assert channel.plan(intent()) is not None


def test_the_bounds_refuse_what_the_agent_has_no_use_for(confined: Bench) -> None:
    script = (
        "import ctypes, socket\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "faults = [libc.unshare(0x00020000), libc.mount(b'x', b'/mnt', b'tmpfs', 0, None),"
        " libc.ptrace(16, 1, 0, 0), libc.syscall(321, 0, 0, 0)]\n"
        "try:\n socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        "except OSError as error: faults.append(-error.errno)\n"
        "print(faults)"
    )
    line = confined.world.argv("srv", [*CONFINED, sys.executable, "-c", script], cwd=ROOT)
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "[-1, -1, -1, -1, -97]", done.stderr


def test_the_filter_holds_no_call_that_the_unit_takes_away() -> None:
    kept = calls(service(UNIT)["SystemCallFilter"])
    assert {"unshare", "execve", "socket"} <= kept
    assert not {"mount", "ptrace", "bpf", "reboot", "init_module", "clock_settime"} & kept
