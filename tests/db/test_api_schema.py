"""The schema is valid and true, its page needs no CDN, and lists cost the same however long."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from ddiweb.deploy.models import Deployment, Node
from ddiweb.live.models import Call, Contact, Heartbeat, SecurityEvent
from ddiweb.live.state_models import Channel, TrunkState
from firewall.models import AddressException, AllowedService
from peers import services
from peers.models import CallerRule, Number, Step
from tests import factories
from tests.db.api import V1, client, operator
from tests.db.test_sounds import tone

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def api() -> APIClient:
    return client(operator())


@pytest.fixture
def schema(api: APIClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get(V1 + "schema/").json()
    return found


def test_the_schema_is_made_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "s.yaml"))


def test_the_served_schema_is_valid_openapi(schema: dict[str, Any]) -> None:
    validate_schema(schema)


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def test_every_operation_documents_its_errors_and_its_authentication(
    schema: dict[str, Any],
) -> None:
    for path, verb, operation in _operations(schema):
        assert {"400", "401", "403", "429"} <= set(operation["responses"]), (verb, path)
        assert operation["security"], (verb, path)
        assert {} not in operation["security"], (verb, path)


def test_no_answer_of_the_schema_names_a_secret_outside_secrets(schema: dict[str, Any]) -> None:
    for name, part in schema["components"]["schemas"].items():
        if name.endswith("Request") or name in {
            "NewPeerSecrets",
            "NewTokenSecrets",
            "NewPasswordSecrets",
        }:
            continue
        secret = {"password", "value", "digest"} & set(part.get("properties", {}))
        if name.startswith("Peer"):
            # Which algorithm proves the password: no secret.
            secret.discard("digest")
        assert not secret, (name, secret)


def test_answers_have_the_fields_of_the_schema(api: APIClient, schema: dict[str, Any]) -> None:
    factories.node(slug="london")
    made = api.post(V1 + "peers/", {"node": "london", "name": "Ada", "username": "ada"}).json()
    documented = schema["components"]["schemas"]
    assert set(made) == set(documented["PeerCreated"]["properties"])
    changed = api.patch(f"{V1}peers/{made['id']}/", {"name": "Bob"}).json()
    assert set(changed) == set(documented["PeerWritten"]["properties"])
    read = api.get(f"{V1}peers/{made['id']}/").json()
    assert set(read) == set(documented["Peer"]["properties"])
    token = api.post(f"{V1}peers/{made['id']}/rotate/", {}).json()
    assert set(token) == set(documented["Rotated"]["properties"])
    status = api.get(V1 + "status/").json()
    assert set(status["nodes"][0]) == set(documented["NodeStatus"]["properties"])


def test_the_page_is_for_people_who_are_signed_in() -> None:
    answer = Client().get(V1 + "docs/")
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def _page(url: str = V1 + "docs/") -> Any:
    browser = Client()
    person = User.objects.create(username="reader")
    browser.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return browser.get(url)


def test_the_page_keeps_to_the_panels_policy() -> None:
    page = _page()
    html = page.content.decode()
    assert page.status_code == 200
    policy = page["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "<style" not in html
    assert all("src=" in part.split(">")[0] for part in html.split("<script")[1:])
    assert "http://" not in html
    assert "https://" not in html


def test_the_page_is_served_from_our_own_static_files() -> None:
    html = _page().content.decode()
    for file in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert f"/static/drf_spectacular_sidecar/swagger-ui-dist/{file}" in html


def test_the_pages_script_is_served_as_a_script() -> None:
    answer = _page(V1 + "docs/?script=")
    assert answer["Content-Type"].startswith("application/javascript")
    assert V1 + "schema/" in answer.content.decode()


def _grow(node: Node, count: int) -> None:
    """One more of everything, ``count`` times."""
    now = timezone.now()
    for _ in range(count):
        serial = Step.objects.count() + 1
        peers = [factories.peer(node, owner=operator()) for _ in range(2)]
        for peer in peers:
            services.issue_token(peer)
        trunk = factories.trunk(node, f"198.51.100.{serial}/32")
        factories.number(trunk, f"+4420794601{serial:02}", *peers)
        factories.management(node, f"192.0.2.{serial}/32")
        CallerRule.objects.create(node=node, number=Number.objects.last(), prefix=f"+44{serial}")
        factories.ban(node, f"198.18.0.{serial}")
        factories.schedule(node, {}, {"first_date": "2026-12-25"})
        factories.sound(node, tone())
        factories.message(factories.mailbox(node, peers[0]))
        AllowedService.objects.create(node=node, first=serial, last=serial)
        AddressException.objects.create(node=node, cidr=f"192.0.2.{serial}/32")
        Contact.objects.create(node=node, endpoint=f"e{serial}", uri="sip:a@b", seen_at=now)
        Call.objects.create(node=node, unique_id=str(serial), started_at=now)
        TrunkState.objects.create(
            node=node, endpoint=f"trunk_{trunk.pk}", changed_at=now, seen_at=now
        )
        Channel.objects.create(
            node=node,
            unique_id=str(serial),
            call_id=str(serial),
            started_at=now,
            endpoint=f"trunk_{trunk.pk}",
        )
        SecurityEvent.objects.create(node=node, at=now, kind="x")
        Heartbeat.objects.create(name=f"worker {serial}", at=now)
        one = factories.node()
        Deployment.objects.create(
            node=one, generation=0, state="superseded", reason="x", requested_by=peers[0].owner
        )


@pytest.mark.parametrize(
    "name",
    ["nodes", "trunks", "numbers", "schedules", "sounds", "mailboxes", "voicemail",
     "callers", "peers", "tokens",
     "management-networks", "bans", "deployments", "allowed-services", "address-exceptions",
     "contacts", "channels", "trunk-states", "calls", "security-events", "status"],
)  # fmt: skip
def test_a_list_costs_the_same_queries_however_long(api: APIClient, name: str) -> None:
    node = factories.node()
    url = f"{V1}{name}/"
    _grow(node, 1)
    api.get(url)
    with CaptureQueriesContext(
        connection,
    ) as short:
        few = len(api.get(url).json().get("results", []))
    _grow(node, 4)
    with CaptureQueriesContext(connection) as long:
        many = len(api.get(url).json().get("results", []))
    assert many > few or name == "status"
    assert len(long) == len(short)


def test_a_page_is_bounded(api: APIClient) -> None:
    node = factories.node()
    for _ in range(3):
        factories.peer(node)
    page = api.get(V1 + "peers/?page_size=2").json()
    assert (page["count"], len(page["results"])) == (3, 2)
    assert api.get(V1 + "peers/?page=9").status_code == 404
