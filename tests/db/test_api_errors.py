"""Every error has one shape: problem details (RFC 9457)."""

from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, OperationalError
from rest_framework.test import APIClient

from ddiweb.deploy.models import Node
from peers.models import Peer
from tests import factories
from tests.db.api import V1, client, faults, operator, problem, user

pytestmark = [pytest.mark.db, pytest.mark.django_db]
JSON = "application/json"


@pytest.fixture(autouse=True)
def fresh_throttle() -> None:
    cache.clear()


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def api() -> APIClient:
    return client(operator())


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token wrong", "Token \xff\xfe"])
def test_a_bad_token_is_a_401_that_says_how_to_sign_in(header: str) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=header)
    answer = api.get(V1 + "nodes/")
    assert problem(answer, 401)["type"] == "urn:problem:ddiweb:unauthenticated"
    assert answer["WWW-Authenticate"] == "Token"


def test_a_missing_permission_is_a_403() -> None:
    assert problem(client(user()).get(V1 + "nodes/"), 403)["type"].endswith(":forbidden")


@pytest.mark.parametrize("url", ["nodes/nowhere/", "peers/5/", f"peers/{10**17}/", "x/", ""])
def test_what_is_not_there_is_a_404(api: APIClient, url: str) -> None:
    assert problem(api.get(V1 + url), 404)["type"] == "urn:problem:ddiweb:not-found"


@pytest.mark.parametrize("verb", ["put", "options", "trace"])
def test_a_verb_that_is_not_offered_is_a_405(api: APIClient, node: Node, verb: str) -> None:
    answer = getattr(api, verb)(V1 + "nodes/london/")
    assert problem(answer, 405)["type"].endswith(":method-not-allowed")


def test_a_read_only_resource_is_not_written(api: APIClient) -> None:
    problem(api.post(V1 + "deployments/", {}), 405)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"NaN", b'{"name": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"[]",
     b"null", b'"text"', b"5"],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_a_400(api: APIClient, node: Node, body: bytes) -> None:
    problem(api.generic("POST", V1 + "peers/", body, content_type=JSON), 400)


def test_a_body_that_is_too_large_is_a_413(api: APIClient) -> None:
    body = b'{"name": "' + b"x" * 1_100_000 + b'"}'
    problem(api.generic("POST", V1 + "peers/", body, content_type=JSON), 413)


def test_another_format_is_a_415(api: APIClient) -> None:
    problem(api.generic("POST", V1 + "peers/", b"a=1", content_type="text/plain"), 415)


def test_an_unknown_field_is_refused_by_its_name(api: APIClient, node: Node) -> None:
    answer = api.patch(V1 + "nodes/london/", {"naem": "London"})
    assert faults(answer) == {"naem": "unknown_field"}
    assert "name" in answer.json()["errors"][0]["message"]


def test_an_unknown_field_of_a_nested_list_is_refused_by_its_path(
    api: APIClient, node: Node
) -> None:
    body = {"networks": [{"cidr": "203.0.113.1"}, {"cidr": "203.0.113.2", "nte": ""}]}
    answer = api.post(V1 + "trunks/", {"node": "london", "name": "V", **body})
    assert faults(answer) == {"networks.1.nte": "unknown_field"}


def test_a_nested_entry_of_a_patch_must_be_whole(api: APIClient, node: Node) -> None:
    trunk = factories.trunk(node)
    answer = api.patch(f"{V1}trunks/{trunk.pk}/", {"networks": [{"note": "no address"}]})
    assert faults(answer) == {"networks.0.cidr": "required"}


@pytest.mark.parametrize("field", ["id", "key", "created_at"])
def test_a_field_that_can_not_be_set_is_refused(api: APIClient, node: Node, field: str) -> None:
    peer = factories.peer(node)
    assert faults(api.patch(f"{V1}peers/{peer.pk}/", {field: 1})) == {field: "read_only"}


@pytest.mark.parametrize(
    "url",
    ["peers/{}/rotate/", "peers/{}/compromised/", "tokens/1/revoke/"],
)
def test_an_unknown_field_of_an_action_is_refused(api: APIClient, node: Node, url: str) -> None:
    peer = factories.peer(node)
    assert faults(api.post(V1 + url.format(peer.pk), {"grace": 5})) == {"grace": "unknown_field"}


def test_a_node_that_is_missing_is_named(api: APIClient) -> None:
    answer = api.post(V1 + "peers/", {"node": "nowhere", "name": "A", "username": "ada"})
    assert faults(answer) == {"node": "does_not_exist"}


@pytest.mark.parametrize(
    ("query", "field"),
    [("nmae=x", "nmae"), ("ordering=password", "ordering"), ("ordering=node__fence", "ordering"),
     ("enabled=1&password=x", "password"), ("node__slug=x", "node__slug")],
)  # fmt: skip
def test_an_unknown_filter_or_order_is_refused(api: APIClient, query: str, field: str) -> None:
    assert set(faults(api.get(f"{V1}peers/?{query}"))) == {field}


@pytest.mark.parametrize(
    "url",
    ["tokens/?peer=x", "tokens/?state=lost", "calls/?started_at_after=yesterday",
     "deployments/?generation=x", "peers/?username=a%00b"],
)  # fmt: skip
def test_a_filter_of_the_wrong_kind_is_refused(api: APIClient, url: str) -> None:
    problem(api.get(V1 + url), 400)


def test_a_filter_selects(api: APIClient, node: Node) -> None:
    factories.peer(node, username="ada")
    factories.peer(factories.node(slug="paris"), username="bob")
    listed = api.get(V1 + "peers/?node=london&ordering=-name").json()
    assert [one["username"] for one in listed["results"]] == ["ada"]


def test_a_race_that_only_the_database_sees_is_a_409(
    api: APIClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise IntegrityError("UNIQUE constraint failed: peers_peer.username")

    monkeypatch.setattr(Peer, "save", lost)
    answer = api.post(V1 + "peers/", {"node": "london", "name": "A", "username": "ada"})
    assert "UNIQUE" not in problem(answer, 409)["detail"]


def test_a_database_that_is_away_is_a_503_to_be_repeated(
    api: APIClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect to server at 10.0.0.1")

    monkeypatch.setattr(Peer, "save", away)
    answer = api.post(V1 + "peers/", {"node": "london", "name": "A", "username": "ada"})
    assert "10.0.0.1" not in problem(answer, 503)["detail"]
    assert answer["Retry-After"] == "5"


def test_a_defect_says_nothing_of_itself(
    api: APIClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any, **__: Any) -> None:
        raise KeyError("inner name")

    monkeypatch.setattr(Peer, "save", defect)
    answer = api.post(V1 + "peers/", {"node": "london", "name": "A", "username": "ada"})
    problem(answer, 500)
    assert b"inner name" not in answer.content


def test_a_stranger_who_goes_on_trying_is_throttled() -> None:
    api = APIClient()
    statuses = [api.get(V1 + "nodes/").status_code for _ in range(62)]
    assert statuses[:60] == [401] * 60
    answer = api.get(V1 + "nodes/")
    assert problem(answer, 429)["type"] == "urn:problem:ddiweb:throttled"
    assert int(answer["Retry-After"]) > 0


def test_no_answer_may_be_cached(api: APIClient, node: Node) -> None:
    assert api.get(V1 + "nodes/").headers["Cache-Control"] == "no-store"
