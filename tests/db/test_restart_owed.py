"""Another SIP port waits for a restart of Asterisk, and the rules wait with it."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from ddiweb.deploy.errors import Retryable
from ddiweb.deploy.models import Node
from firewall import snapshot
from peers.realtime import listening, owners
from peers.realtime.ami import AmiClient
from tests import factories
from tests.contracts.fake_ami import SECRET, FakeAmi

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


class Asterisk:
    """An AMI that lets in whoever comes, of this test's own user."""

    def __init__(self, fake: FakeAmi) -> None:
        self.fake = fake

    def client(self) -> AmiClient:
        return AmiClient("127.0.0.1", self.fake.port, "ddiweb", SECRET, timeout=2)

    def none(self) -> AmiClient:
        raise Retryable("nobody there")


@pytest.fixture
def asterisk() -> Iterator[Asterisk]:
    fake = FakeAmi()
    yield Asterisk(fake)
    fake.server.close()


@pytest.fixture
def answering() -> Iterator[int]:
    """A port on which something answers SIP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, sender = line.recvfrom(4096)
            line.sendto(b"SIP/2.0 401 Unauthorized\r\n\r\n", sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(line.getsockname()[1])


def test_a_port_on_which_nobody_answers_is_not_served() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    assert not listening.answers(port)


def test_a_port_on_which_sip_is_answered_is_served(answering: int) -> None:
    assert listening.answers(answering)


def test_the_rules_open_the_port_where_asterisk_listens(node: Node) -> None:
    node.sip_port_served, node.sip_port = 5060, 5070
    assert snapshot.take(node).sip_port == 5060
    assert "SIP port 5070 waits for a restart" in node.restart_owed


def test_the_rules_follow_when_asterisk_answers_on_the_new_port(
    node: Node, answering: int, asterisk: Asterisk
) -> None:
    node.sip_port_served, node.sip_port = 5060, answering
    listening.look(node, asterisk.client, asterisk.none)
    assert (snapshot.take(node).sip_port, node.restart_owed) == (answering, "")


def test_the_rules_follow_nobody_else_who_answers_there(
    node: Node, answering: int, asterisk: Asterisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "other_end", lambda *_: os.getuid() + 1)
    node.sip_port_served, node.sip_port = 5060, answering
    listening.look(node, asterisk.client, asterisk.none)
    assert snapshot.take(node).sip_port == 5060
    assert "waits for a restart" in node.restart_owed


def test_nobody_is_taken_for_asterisk_while_it_can_t_be_asked(
    node: Node, answering: int, asterisk: Asterisk
) -> None:
    node.sip_port_served, node.sip_port = 5060, answering
    listening.look(node, asterisk.none, asterisk.none)
    assert snapshot.take(node).sip_port == 5060


def test_a_node_that_was_never_asked_owes_nothing(node: Node) -> None:
    assert (node.restart_owed, node.open_sip_port) == ("", node.sip_port)
