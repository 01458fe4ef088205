"""A client of the REST API and its people, for tests."""

import itertools
import json
from typing import Any

from django.contrib.auth.models import Permission, User
from rest_framework.response import Response
from rest_framework.test import APIClient

from ddiweb.api.models import ApiToken
from ddiweb.deploy.models import Deployment, Node

V1 = "/api/v1/"
APPS = ("deploy", "live", "peers", "firewall")
_count = itertools.count(1)


def user(*verbs: str, only: tuple[str, ...] = ()) -> User:
    """A user who may do ``verbs`` with everything, or has ``only`` these codenames."""
    made = User.objects.create(username=f"user{next(_count)}", password="!")  # hashing is slow
    rows = Permission.objects.filter(content_type__app_label__in=APPS)
    if only:
        rows = rows.filter(codename__in=only)
    else:
        rows = rows.filter(codename__regex=rf"\A({'|'.join(verbs) or 'nothing'})_")
    made.user_permissions.set(rows)
    return made


def operator() -> User:
    return user("view", "add", "change", "delete")


def token(of: User, **fields: Any) -> str:
    _, value = ApiToken.objects.create(of, name=f"token {next(_count)}", **fields)
    return str(value)


def client(of: User | None = None, **fields: Any) -> APIClient:
    """A client with a fresh token of ``of``; a stranger without."""
    made = APIClient()
    if of is not None:
        made.credentials(HTTP_AUTHORIZATION=f"Token {token(of, **fields)}")
    return made


def send(api: APIClient, verb: str, url: str, body: object) -> Response:
    """Send JSON in ASCII: what the test client itself can't encode travels as an escape."""
    return api.generic(verb, url, json.dumps(body), content_type="application/json")


def pending(node: Node) -> int:
    return Deployment.objects.filter(node=node, state="pending").count()


def generation(node: Node) -> int:
    return Node.objects.get(pk=node.pk).generation


def problem(response: Response, status: int) -> dict[str, Any]:
    """The problem's body, after a look at its shape."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    return body


def faults(response: Response) -> dict[str, str]:
    """Field → code of a refused write."""
    return {one["field"]: one["code"] for one in problem(response, 400)["errors"]}
