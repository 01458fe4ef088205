"""Who sees what: nothing without a login, and no more than the permissions say."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from ddiweb.deploy.models import Deployment, Node
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]
#: These are meant for people and probes that are not logged in.
OPEN = {"healthz", "readyz", "login/", "logout/"}
#: The API answers 401 by itself and has its own tests.
ELSEWHERE = ("api/",)


def paths(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        pattern = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from paths(entry, pattern)
        elif isinstance(entry, URLPattern):
            yield pattern


def concrete(pattern: str) -> str:
    """An address that fits a pattern: ids become 1, names ``x``."""
    found = pattern.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\A", "")
    for name, value in (("<path:object_id>", "1"), ("<int:pk>", "1"), ("<slug:what>", "rotate")):
        found = found.replace(name, value)
    return found


EVERY = sorted({concrete(p) for p in paths(get_resolver()) if not p.startswith(ELSEWHERE)})
CLOSED = [path for path in EVERY if path not in OPEN and "<" not in path and "(" not in path]


def test_the_addresses_of_the_panel_are_found() -> None:
    assert len(CLOSED) > 60


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_login_there_is_only_the_login(path: str, method: str) -> None:
    reply = getattr(Client(), method)(f"/{path}")
    assert reply.status_code == 302, reply.status_code
    assert reply["Location"].startswith(("/login/", "/static/")), reply["Location"]


@pytest.fixture
def node() -> Node:
    return factories.node()


def test_somebody_without_permissions_sees_no_node(node: Node) -> None:
    nobody = panel.client(panel.person("nobody", superuser=False))
    assert node.name not in nobody.get("/").content.decode()
    assert nobody.get(f"/deploy/node/{node.pk}/plan/").status_code == 403


def test_somebody_without_permissions_sees_no_progress(node: Node) -> None:
    row = Deployment.objects.create(node=node, generation=1, reason="x")
    nobody = panel.client(panel.person("nobody", superuser=False))
    assert nobody.get(f"/deploy/deployment/{row.pk}/progress/").status_code == 403


def test_somebody_who_only_looks_can_not_ask_for_a_deployment(node: Node) -> None:
    viewer = panel.client(panel.person("viewer", superuser=False, may=["deploy.view_node"]))
    assert viewer.post(f"/deploy/node/{node.pk}/again/").status_code == 403
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    "path", ["peers/token", "deploy/deployment", "live/contact", "live/call", "live/securityevent"]
)
def test_nobody_adds_what_ddiweb_writes_itself(path: str) -> None:
    assert panel.client().post(f"/{path}/add/").status_code == 403


def test_tables_of_libraries_are_not_in_the_panel() -> None:
    page = panel.client().get("/").content.decode()
    assert "authtoken" not in page
    assert "/axes/" not in page
