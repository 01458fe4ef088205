"""Another SIP port waits for a restart of Asterisk, and the rules wait with it."""

import socket
import threading
from collections.abc import Iterator

import pytest

from ddiweb.deploy.models import Node
from firewall import snapshot
from peers.realtime import listening
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node()


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


def test_the_rules_follow_when_the_new_port_answers(node: Node, answering: int) -> None:
    node.sip_port_served, node.sip_port = 5060, answering
    listening.look(node)
    assert (snapshot.take(node).sip_port, node.restart_owed) == (answering, "")


def test_a_node_that_was_never_asked_owes_nothing(node: Node) -> None:
    assert (node.restart_owed, node.open_sip_port) == ("", node.sip_port)
