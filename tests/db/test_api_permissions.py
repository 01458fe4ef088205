"""Role by address: nobody does what they may not, over every route and verb there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from ddiweb.deploy.models import Deployment, Node
from ddiweb.live.models import Call, Channel, Contact, SecurityEvent, TrunkState
from ddiweb.live.restart_models import Restart
from firewall.models import AddressException, AllowedService
from peers import services
from peers.models import (
    CallerName,
    CallerRule,
    NameLookup,
    NodeCertificate,
    Rate,
    TollAlarm,
    TrunkToll,
)
from peers.tls import roots
from tests import factories
from tests.db.api import V1, client, operator, pending, problem, user
from tests.db.test_sounds import tone

pytestmark = [pytest.mark.db, pytest.mark.django_db]

VERBS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")


def _routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and pattern of every route below ``/api/v1/``."""
    if patterns is None:
        root = next(
            one
            for one in get_resolver().url_patterns
            if isinstance(one, URLResolver) and str(one.pattern) == "api/v1/"
        )
        patterns = root.url_patterns
    for one in patterns:
        text = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, text)
        elif isinstance(one, URLPattern):
            yield str(one.name), text


ROUTES = sorted({name for name, _ in _routes()})


@pytest.fixture
def urls() -> dict[str, str]:
    """One real address a route, with rows behind it."""
    node = factories.node(slug="london")
    peer = factories.peer(node)
    trunk = factories.trunk(node, "203.0.113.20/32")
    number = factories.number(trunk, "+442079460100", factories.peer(node))
    token = services.issue_token(peer)
    now = timezone.now()
    toll = TrunkToll.objects.create(trunk=trunk)
    box = factories.mailbox(node)
    rows = {
        "nodes": "london",
        "trunks": trunk.pk,
        "numbers": number.pk,
        "callers": CallerRule.objects.create(node=node, prefix="+44").pk,
        "schedules": factories.schedule(node).pk,
        "sounds": factories.sound(node, tone()).pk,
        "mailboxes": box.pk,
        "caller-names": CallerName.objects.create(node=node, e164="+441632960555", name="A").pk,
        "name-lookups": NameLookup.objects.create(node=node, url="https://n.example/{number}").pk,
        "voicemail": factories.message(box).pk,
        "peers": peer.pk,
        "persons": factories.person(node).pk,
        "outgoing-policies": factories.policy(number).pk,
        "toll-limits": toll.pk,
        "rates": Rate.objects.create(toll=toll, prefix="+44", a_minute=1).pk,
        "toll-alarms": TollAlarm.objects.create(
            node=node, who="peer_1", cap="calls", times=1, last_at=now
        ).pk,
        "tokens": token.pk,
        "certificates": NodeCertificate.objects.create(
            node=node, not_before=now, not_after=now, renew_at=now, checked_at=now
        ).pk,
        "management-networks": factories.management(node, "198.51.100.0/28").pk,
        "allowed-services": AllowedService.objects.create(node=node, first=443, last=443).pk,
        "address-exceptions": AddressException.objects.create(node=node, cidr="192.0.2.0/24").pk,
        "bans": factories.ban(node, "198.51.100.66").pk,
        "deployments": Deployment.objects.create(
            node=node, generation=0, state="superseded", reason="test"
        ).pk,
        "contacts": Contact.objects.create(
            node=node, endpoint="peer_1", uri="sip:a@b", seen_at=now
        ).pk,
        "channels": Channel.objects.create(
            node=node, unique_id="1.1", call_id="1.1", endpoint="peer_1", started_at=now
        ).pk,
        "trunk-states": TrunkState.objects.create(
            node=node, endpoint="trunk_1", changed_at=now, seen_at=now
        ).pk,
        "restarts": Restart.objects.create(node=node, how="quiet").pk,
        "calls": Call.objects.create(node=node, unique_id="1", started_at=now).pk,
        "security-events": SecurityEvent.objects.create(node=node, at=now, kind="x").pk,
    }
    found = {"status": V1 + "status/", "schema": V1 + "schema/", "docs": V1 + "docs/"}
    found["trunk-presets"] = V1 + "trunk-presets/"
    roots.ensure()
    found["authority"] = V1 + "authority/"
    found["nothing"] = V1 + "no-such-thing/"
    for name in ROUTES:
        if name in found:
            continue
        kind = next(one for one in rows if name.startswith(one + "-"))
        rest = name.removeprefix(kind + "-")
        found[name] = {
            "list": f"{V1}{kind}/",
            "detail": f"{V1}{kind}/{rows[kind]}/",
            "rotate-many": f"{V1}{kind}/rotate/",
        }.get(rest, f"{V1}{kind}/{rows[kind]}/{rest}/")
    return found


def _call(api: APIClient, verb: str, url: str) -> int:
    status: int = getattr(api, verb)(url, **({} if verb == "trace" else {"data": {}})).status_code
    return status


def _allowed(api: APIClient, urls: dict[str, str], verbs: tuple[str, ...] = VERBS) -> set[str]:
    """Every route and verb that was answered by 2xx."""
    found = set()
    for name in ROUTES:
        for verb in verbs:
            status = _call(api, verb, urls[name])
            assert status < 500, (name, verb, status)
            if 200 <= status < 300:
                found.add(f"{verb} {name}")
    return found


def test_every_route_is_in_the_matrix(urls: dict[str, str]) -> None:
    assert set(ROUTES) == set(urls)


def test_a_stranger_may_do_nothing(urls: dict[str, str]) -> None:
    assert _allowed(_unthrottled(client()), urls) == set()


def test_a_wrong_token_may_do_nothing(urls: dict[str, str]) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION="Token ddiweb_" + "0" * 64)
    assert _allowed(_unthrottled(api), urls) == set()


def test_a_token_of_a_user_without_permissions_reads_the_schema_alone(urls: dict[str, str]) -> None:
    assert _allowed(client(user()), urls) == {"get schema", "head schema"}


def test_a_viewer_reads_everything_and_writes_nothing(urls: dict[str, str]) -> None:
    allowed = _allowed(client(user("view")), urls)
    reads = {
        f"{verb} {name}"
        for name in ROUTES
        for verb in ("get", "head")
        if name.endswith(("-list", "-detail"))
        or name
        in {"schema", "status", "authority", "trunk-presets", "nodes-traffic", "sounds-audio"}
        or name == "voicemail-audio"
    }
    assert allowed == reads


def test_a_read_only_token_of_an_operator_writes_nothing(urls: dict[str, str]) -> None:
    api = client(operator(), read_only=True)
    allowed = _allowed(api, urls)
    assert {one.split()[0] for one in allowed} == {"get", "head"}
    assert pending(Node.objects.get(slug="london")) == 0


def test_a_read_only_token_is_told_why(urls: dict[str, str]) -> None:
    api = client(operator(), read_only=True)
    body = problem(api.post(urls["peers-rotate"], {}), 403)
    assert "read-only" in body["detail"]


def test_an_operator_may_do_what_the_routes_offer(urls: dict[str, str]) -> None:
    api = client(operator())
    assert api.post(urls["peers-rotate"], {}).status_code == 200
    assert api.post(urls["nodes-deploy"], {}).status_code == 202
    assert api.post(urls["tokens-revoke"], {}).status_code == 200
    assert api.patch(urls["trunks-detail"], {"name": "New"}).status_code == 200


@pytest.mark.parametrize(
    ("route", "needed"),
    [
        ("peers-rotate", "change_peer"),
        ("peers-compromised", "change_peer"),
        ("peers-provision", "change_peer"),
        ("peers-password", "change_peer"),
        ("tokens-revoke", "change_token"),
        ("toll-limits-rates", "change_trunktoll"),
        ("nodes-deploy", "change_node"),
        ("nodes-why", "add_question"),
    ],
)
def test_an_action_needs_its_own_permission_and_no_other(
    urls: dict[str, str], route: str, needed: str
) -> None:
    others = user("view", "add", "change", "delete")
    others.user_permissions.remove(*others.user_permissions.filter(codename=needed))
    bodies = {"nodes-why": {"source": "203.0.113.66"}, "toll-limits-rates": {"csv": "44,1"}}
    body = bodies.get(route, {})
    Node.objects.update(dry_run=True)  # answered by the panel itself
    assert client(others).post(urls[route], body).status_code == 403
    assert client(user(only=(needed,))).post(urls[route], body).status_code in {200, 202}


@pytest.mark.parametrize(
    "name",
    [
        "trunks",
        "numbers",
        "schedules",
        "callers",
        "peers",
        "management-networks",
        "allowed-services",
        "address-exceptions",
        "nodes",
    ],
)
@pytest.mark.parametrize("verb", ["post", "patch", "delete"])
def test_a_write_needs_its_own_permission(urls: dict[str, str], name: str, verb: str) -> None:
    url = urls[f"{name}-list"] if verb == "post" else urls[f"{name}-detail"]
    word = {"post": "add", "patch": "change", "delete": "delete"}[verb]
    everything_else = user(*({"view", "add", "change", "delete"} - {word}))
    assert _call(client(everything_else), verb, url) == 403


def test_an_inactive_users_token_is_refused(urls: dict[str, str]) -> None:
    person = operator()
    api = client(person)
    person.is_active = False
    person.save()
    problem(api.get(urls["nodes-list"]), 401)


def test_a_session_without_a_csrf_token_writes_nothing(urls: dict[str, str]) -> None:
    api = APIClient(enforce_csrf_checks=True)
    api.force_login(operator(), backend="django.contrib.auth.backends.ModelBackend")
    problem(api.patch(urls["trunks-detail"], {"name": "New"}), 403)


def _unthrottled(api: APIClient) -> APIClient:
    """Strangers are throttled after 60 requests a minute; each comes from an address of its own."""
    plain = api.generic
    count = iter(range(1, 1_000_000))

    def generic(*args: Any, **extra: Any) -> Any:
        number = next(count)
        extra["REMOTE_ADDR"] = f"198.18.{number // 250}.{number % 250 + 1}"
        return plain(*args, **extra)

    api.generic = generic  # type: ignore[method-assign]
    return api
