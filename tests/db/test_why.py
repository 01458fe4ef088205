"""manage.py why: what it asks the agent, what it says, and its exit status."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Node
from firewall import why
from firewall.ruleset.packet import Packet
from peers import services
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


class Agent:
    """What the agent would answer, and what it was asked."""

    def __init__(self, kernel: str = "drop", oracle: str = "drop") -> None:
        self.asked: list[Packet] = []
        self.kernel: str | None = kernel
        self.oracle = oracle
        self.error: Exception | None = None

    def __call__(self, path: str) -> "Agent":
        return self

    def probe(self, packets: list[Packet]) -> dict[str, Any]:
        if self.error:
            raise self.error
        self.asked = list(packets)
        said = {"path": ["a rule"]}
        kernel = self.kernel and [said | {"verdict": self.kernel}] * len(self.asked)
        oracle = [said | {"verdict": self.oracle}] * len(self.asked)
        reason = "" if kernel else "scratch: no user namespace"
        return {"kernel": kernel, "oracle": oracle, "reason": reason, "generation": 7}


@pytest.fixture
def node() -> Node:
    return factories.node(slug=settings.NODE, public_ipv6="2001:db8:113::10")


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    made = Agent()
    monkeypatch.setattr(why, "AgentChannel", made)
    return made


def run(*arguments: str, **options: Any) -> tuple[int, str]:
    """Run `why`; its exit status and what it printed."""
    out = io.StringIO()
    try:
        call_command("why", *arguments, stdout=out, no_color=True, **options)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(
    ("kernel", "oracle", "status"),
    [("accept", "accept", 0), ("drop", "drop", 2), ("accept", "drop", 3), ("conflict", "drop", 3)],
)
def test_the_exit_status_tells_the_verdict(
    node: Node, agent: Agent, kernel: str, oracle: str, status: int
) -> None:
    agent.kernel, agent.oracle = kernel, oracle
    assert run("203.0.113.7:5060")[0] == status


def test_both_verdicts_are_printed_with_their_ways(node: Node, agent: Agent) -> None:
    said = run("203.0.113.7:4000")[1].splitlines()
    assert said[1:] == [
        "kernel  drop",
        "    a rule",
        "oracle  drop",
        "    a rule",
        "note    the rules of generation 7",
    ]


def test_without_a_kernel_the_oracle_speaks_and_the_reason_is_said(
    node: Node, agent: Agent
) -> None:
    agent.kernel, agent.oracle = None, "accept"
    status, said = run("203.0.113.7:4000")
    assert (status, "kernel  not asked" in said, "no user namespace" in said) == (0, True, True)


@pytest.mark.parametrize(
    ("address", "source", "host"),
    [
        ("203.0.113.7:4000", ("203.0.113.7", 4000), "203.0.113.10"),
        ("[2001:db8::7]:4000", ("2001:db8::7", 4000), "2001:db8:113::10"),
        ("2001:db8::7", ("2001:db8::7", 5060), "2001:db8:113::10"),
        ("203.0.113.7", ("203.0.113.7", 5060), "203.0.113.10"),
    ],
)
def test_an_address_of_each_family_is_asked_about(
    node: Node, agent: Agent, address: str, source: tuple[str, int], host: str
) -> None:
    run(address)
    (asked,) = agent.asked
    assert ((asked.source, asked.source_port), asked.destination) == (source, host)


@pytest.mark.parametrize("address", ["x", "203.0.113.7:0", "203.0.113.7:99999", "127.0.0.1", "[::"])
def test_what_is_no_address_is_refused(node: Node, agent: Agent, address: str) -> None:
    with pytest.raises(CommandError):
        run(address)


def test_a_payload_comes_from_a_file(node: Node, agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
    run("203.0.113.7", payload_file=str(tmp_path / "message"))
    assert agent.asked[-1].payload == b"OPTIONS sip:x SIP/2.0\r\n\r\n"


def test_a_pasted_message_comes_from_standard_input(
    node: Node, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"REGISTER")))
    run("203.0.113.7", payload_file="-")
    assert agent.asked[-1].payload == b"REGISTER"


def test_a_peer_registers_before_the_packet_is_judged(node: Node, agent: Agent) -> None:
    peer = factories.peer(node)
    secret = services.issue_token(peer).value
    said = run("203.0.113.7:4000", peer=peer.pk, to_port=10_000)[1]
    first, last = agent.asked
    assert secret.encode() in first.payload
    assert (first.destination_port, last.destination_port) == (node.sip_port, 10_000)
    assert secret not in said


def test_a_pasted_token_is_not_printed(node: Node, agent: Agent, tmp_path: Path) -> None:
    secret = f"{node.site_prefix}{'a' * 26}"
    (tmp_path / "message").write_text(secret)
    for as_json in (False, True):
        said = run("203.0.113.7", payload_file=str(tmp_path / "message"), json=as_json)[1]
        assert secret not in said


def test_an_unknown_peer_is_refused(node: Node, agent: Agent) -> None:
    with pytest.raises(CommandError, match="no peer 99999"):
        run("203.0.113.7", peer=99_999)


def test_a_silent_agent_leaves_the_oracle_with_the_panels_intent(node: Node, agent: Agent) -> None:
    agent.error = Retryable("agent: can't be reached")
    status, said = run("203.0.113.7:4000")
    assert (status, "    no token" in said, "can't be reached" in said) == (2, True, True)


def test_a_refusal_of_the_agent_is_told(node: Node, agent: Agent) -> None:
    agent.error = Refused("probe: no good ruleset is kept; apply one")
    with pytest.raises(CommandError, match="no good ruleset"):
        run("203.0.113.7")


def test_json_is_for_machines(node: Node, agent: Agent) -> None:
    told = json.loads(run("203.0.113.7", json=True)[1])
    assert told["kernel"] == {"verdict": "drop", "path": ["a rule"]}


def test_another_machines_node_is_refused(agent: Agent) -> None:
    factories.node(slug="elsewhere")
    with pytest.raises(CommandError, match="another machine"):
        run("203.0.113.7", "elsewhere")
