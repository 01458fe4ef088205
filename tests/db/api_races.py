"""Editors at the same moment. Run by ``test_api_races.py`` against a real PostgreSQL."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from ddiweb import clock
from ddiweb.deploy.models import Node
from peers import services
from peers.models import Peer, Token, Trunk
from tests import factories
from tests.db.api import V1, client, generation, operator, pending

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]
EDITORS = 8


def _together(act: Callable[[APIClient, int], int]) -> list[int]:
    """The statuses of ``EDITORS`` requests that start at the same moment."""
    person = operator()
    apis = [client(person) for _ in range(EDITORS)]
    gate, statuses = threading.Barrier(EDITORS), []

    def edit(index: int) -> None:
        gate.wait()
        statuses.append(act(apis[index], index))
        connections.close_all()

    threads = [threading.Thread(target=edit, args=(index,)) for index in range(EDITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


@pytest.fixture
def node() -> Node:
    assert connection.vendor == "postgresql"
    return factories.node(slug="london")


def test_one_of_many_gets_a_network(node: Node) -> None:
    def act(api: APIClient, index: int) -> int:
        networks = [{"cidr": f"203.0.113.0/{24 + index % 2}"}]
        body = {"node": "london", "name": f"V{index}", "networks": networks}
        return int(api.post(V1 + "trunks/", body).status_code)

    assert _together(act) == [201] + [400] * (EDITORS - 1)
    assert (Trunk.objects.count(), generation(node), pending(node)) == (1, 1, 1)


def test_one_of_many_gets_a_username(node: Node) -> None:
    def act(api: APIClient, index: int) -> int:
        body = {"node": "london", "name": f"P{index}", "username": "ada"}
        return int(api.post(V1 + "peers/", body).status_code)

    assert _together(act) == [201] + [400] * (EDITORS - 1)
    assert (Peer.objects.count(), generation(node), pending(node)) == (1, 1, 1)


def test_edits_of_different_fields_are_all_kept(node: Node) -> None:
    trunk = factories.trunk(node)
    fields = ["name", "host", "username", "port", "qualify", "enabled", "codecs", "password"]
    values = ["New", "sip.example.net", "acct", 5061, False, False, ["ulaw"], "s3cret-word"]

    def act(api: APIClient, index: int) -> int:
        body = {fields[index]: values[index]}
        return int(api.patch(f"{V1}trunks/{trunk.pk}/", body).status_code)

    assert _together(act) == [200] * EDITORS
    trunk.refresh_from_db()
    assert [getattr(trunk, field) for field in fields] == values
    assert (generation(node), pending(node)) == (EDITORS, 1)


def test_a_peer_never_gets_more_live_tokens_than_allowed(node: Node) -> None:
    peer = factories.peer(node)

    def act(api: APIClient, index: int) -> int:
        return int(api.post(f"{V1}peers/{peer.pk}/rotate/", {}).status_code)

    most = services.MOST_LIVE_TOKENS
    assert _together(act) == [200] * most + [409] * (EDITORS - most)
    assert peer.tokens.count() == most


def test_rotations_at_the_same_moment_take_different_marks(node: Node) -> None:
    peers = [factories.peer(node) for _ in range(EDITORS)]

    def act(api: APIClient, index: int) -> int:
        return int(api.post(f"{V1}peers/{peers[index].pk}/rotate/", {}).status_code)

    assert _together(act) == [200] * EDITORS
    tokens = list(Token.objects.all())
    assert {token.mark for token in tokens} == set(range(1, EDITORS + 1))
    assert len({token.value for token in tokens}) == EDITORS


def test_one_of_many_gets_the_only_mark_that_rested(node: Node) -> None:
    peers = [factories.peer(node) for _ in range(EDITORS)]
    services.peer_created(peers[0])
    services.revoke(list(peers[0].tokens.all()))
    rested = clock.now() - services.MARK_RESTS * 2
    Token.objects.update(cut_at=rested, cut_generation=0, value="")
    Node.objects.update(next_mark=services.LAST_MARK + 1)

    def act(api: APIClient, index: int) -> int:
        return int(api.post(f"{V1}peers/{peers[index].pk}/rotate/", {}).status_code)

    assert _together(act) == [200] + [409] * (EDITORS - 1)
    assert Token.objects.filter(mark=1, mark_given_back=False).count() == 1


def test_compromises_at_the_same_moment_all_cut_though_no_mark_is_free(node: Node) -> None:
    peers = [factories.peer(node) for _ in range(EDITORS)]
    for peer in peers:
        services.peer_created(peer)
    Node.objects.update(next_mark=services.LAST_MARK + 1)

    def act(api: APIClient, index: int) -> int:
        return int(api.post(f"{V1}peers/{peers[index].pk}/compromised/").status_code)

    assert _together(act) == [200] * EDITORS
    assert Token.objects.filter(state="revoked").count() == EDITORS == Token.objects.count()
