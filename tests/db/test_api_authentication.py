"""API tokens: hashed, shown once, read-only or not, with an end, and made by a command."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from ddiweb.api.models import ApiToken
from tests import factories
from tests.db.api import V1, client, operator, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def _create(*arguments: str) -> str:
    out = StringIO()
    call_command("apitoken", "create", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def _with(value: str) -> APIClient:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {value}")
    return api


def test_a_token_made_by_the_command_signs_in() -> None:
    value = _create("script", "--user", operator().username)
    assert _with(value).get(V1 + "nodes/").status_code == 200


def test_a_token_is_stored_as_a_hash_alone() -> None:
    value = _create("script", "--user", operator().username)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM api_apitoken")
        row = cursor.fetchone()
    assert value not in [str(column) for column in row]
    assert value[20:] not in str(row)


def test_a_read_only_token_reads_and_does_not_write() -> None:
    api = _with(_create("script", "--user", operator().username, "--read-only"))
    factories.node(slug="london")
    assert api.get(V1 + "nodes/london/").status_code == 200
    problem(api.patch(V1 + "nodes/london/", {"name": "x"}), 403)


def test_an_expired_token_is_refused() -> None:
    api = _with(_create("script", "--user", operator().username, "--expires", "1"))
    assert api.get(V1 + "nodes/").status_code == 200
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    problem(api.get(V1 + "nodes/"), 401)


def test_a_revoked_token_is_refused_at_once() -> None:
    api = _with(_create("script", "--user", operator().username))
    call_command("apitoken", "revoke", "script", stdout=StringIO())
    problem(api.get(V1 + "nodes/"), 401)


def test_the_list_shows_no_value() -> None:
    value = _create("script", "--user", operator().username, "--read-only", "--expires", "30")
    out = StringIO()
    call_command("apitoken", "list", stdout=out)
    assert "script" in out.getvalue()
    assert "read-only" in out.getvalue()
    assert value not in out.getvalue()
    assert value[7:15] not in out.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [("script", "--user", "nobody"), ("new\nline", "--user", "{user}"),
     ("script", "--user", "{user}", "--expires", "0")],
)  # fmt: skip
def test_a_wrong_wish_is_refused_with_words(arguments: tuple[str, ...]) -> None:
    name = operator().username
    with pytest.raises(CommandError, match=r"name one|write|on one line"):
        _create(*(part.format(user=name) for part in arguments))
    assert not ApiToken.objects.exists()


def test_a_name_is_given_once() -> None:
    name = operator().username
    _create("script", "--user", name)
    with pytest.raises(CommandError, match="already exists"):
        _create("script", "--user", name)


def test_revoking_what_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="apitoken list"):
        call_command("apitoken", "revoke", "nothing")


def test_a_use_is_noted_at_most_once_a_minute() -> None:
    api = client(operator())
    api.get(V1 + "nodes/")
    first = ApiToken.objects.get().last_used_at
    api.get(V1 + "nodes/")
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get(V1 + "nodes/")
    assert ApiToken.objects.get().last_used_at > first  # type: ignore[operator]
