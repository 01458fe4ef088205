"""svmap, svwar, svcrack and nmap from the attacker's network: silence. And a wall that heals."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.process import wait_until
from lab.sniff import Sniffer
from lab.stack import Stack
from lab.tools import tool, tree
from tests.asterisk.test_chain_firewall import trace
from tests.scale import FULL, scaled

pytestmark = pytest.mark.asterisk

SERVERS = {4: "203.0.113.10", 6: "2001:db8:113::10"}
#: A SIP response; a TLS ServerHello or alert (RFC 8446, 5.1).
REPLY = re.compile(
    r"SIP/2\.0 [1-6]\d\d |\x16\x03[\x00-\x04]..\x02|\x15\x03[\x00-\x04]\x00\x02", re.S
)
LAST = scaled(104, 200)
VERSIONS = ("-sV", "--version-light") if FULL else ()
SCANS: dict[str, tuple[str, ...]] = {
    "svmap": ("svmap", "-p5060,5061", "-t", "0.01"),
    "svmap-invite": ("svmap", "-p5060", "-m", "INVITE", "-t", "0.01"),
    "svwar": ("svwar", f"-e100-{LAST}", "--force", "-t", "0.01"),
    "svcrack": ("svcrack", "-u", "ada-mobile", f"-r100-{LAST}", "-t", "0.01"),
    "nmap": ("nmap", "-sS", "-sU", *VERSIONS, "-n", "-Pn", "--max-retries", "0",
             "--host-timeout", f"{scaled(6, 60)}s", "-pT:22,5038,5060,5061,8000,U:5060,5061,10000"),
}  # fmt: skip


@pytest.fixture(scope="module", params=["udp", "tcp-and-tls"])
def open_to(request: pytest.FixtureRequest, stack: Stack) -> str:
    """A node for phones over UDP alone, then over TCP and TLS too."""
    if request.param != "udp":
        node = stack.rows("/nodes/")[0]
        options = {"allow_tcp": True, "tls_port": 5061, "sip_domain": "pbx.example.net"}
        stack.ask("PATCH", f"/nodes/{node['slug']}/", options)
        stack.settled(60)
    return str(request.param)


def _line(words: tuple[str, ...], family: int) -> list[str]:
    name, *options = words
    six = ["-6"] if family == 6 else []
    if name == "nmap":
        return tool("nmap").line(*options, *six, SERVERS[family])
    code = f"from sipvicious.{name} import main; main()"
    return [sys.executable, "-c", code, *options, *six, SERVERS[family]]


@pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
@pytest.mark.parametrize("scan", SCANS)
def test_a_scanner_gets_no_reply_and_leaves_no_trace(
    stack: Stack, open_to: str, scan: str, family: int, tmp_path: Path
) -> None:
    before = trace(stack)
    env = os.environ | {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tree("scan") / "usr/share/sipvicious"),
        **tool("nmap").env,
    }
    with Sniffer(stack.world().ns["attacker"], tmp_path) as wire:
        command = stack.world().argv("attacker", _line(SCANS[scan], family))
        subprocess.run(command, env=env, capture_output=True, timeout=90, check=False)
        heard = wire.text()
    assert "SIP/2.0" in heard or scan == "nmap", "the scanner sent nothing"
    assert REPLY.findall(heard) == []
    assert trace(stack) == before


def test_rules_that_another_program_took_away_are_back_within_30_s(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    world = stack.world()
    took = {}
    for name in ("iptables-nft", "ip6tables-nft"):
        restore, save = tool(f"{name}-restore"), tool(f"{name}-save")
        world.run("srv", restore.line(), env=restore.env, input="*filter\nCOMMIT\n")
        begun = time.monotonic()
        wait_until(
            lambda save=save: (
                "-A INPUT -j DDI-IN" in world.run("srv", save.line(), env=save.env).stdout
            ),
            30,
            "the hook is back",
        )
        took[name] = round(time.monotonic() - begun, 1)
    print(took)
    record_property("healed", took)
