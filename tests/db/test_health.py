"""The probes: one asks nobody, the other asks everybody."""

from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from ddiweb import health
from ddiweb.live import heartbeat

pytestmark = [pytest.mark.db]
HTTPS_ONLY = {"SECURE_SSL_REDIRECT": True}


def test_healthz_answers_without_a_database() -> None:
    # Without the django_db mark any query would fail this test.
    reply = Client().get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_probe_is_not_sent_to_https(path: str, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(path).status_code in {200, 503}


@pytest.mark.django_db
def test_the_rest_is_sent_to_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/login/")["Location"].startswith("https://")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_probe_is_not_kept_by_a_cache(path: str) -> None:
    assert "no-store" in Client().get(path)["Cache-Control"]


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setitem(health.CHECKS, "redis", lambda: "answers")
    heartbeat.note("worker:test")


def test_readyz_is_200_when_every_part_is_ready(ready: None) -> None:
    reply = Client().get("/readyz")
    assert reply.status_code == 200, reply.json()
    assert set(reply.json()["checks"]) == {"database", "migrations", "redis", "worker"}


def test_readyz_is_503_without_redis(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.CHECKS, "redis", health.broker)
    reply = Client().get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["checks"]["redis"]["ok"] is False


def test_readyz_is_503_without_a_worker(ready: None) -> None:
    heartbeat.Heartbeat.objects.all().delete()
    reply = Client().get("/readyz")
    assert reply.status_code == 503
    assert reply.json()["checks"]["worker"]["says"] == "no worker was heard of yet"


def test_readyz_is_503_with_a_migration_to_apply(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: [object()])
    reply = Client().get("/readyz")
    assert reply.status_code == 503
    assert "manage.py migrate" in reply.json()["checks"]["migrations"]["says"]


def test_readyz_is_503_when_the_database_is_away(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> str:
        raise DatabaseError("could not connect to db.internal:5432")

    monkeypatch.setitem(health.CHECKS, "database", away)
    reply = Client().get("/readyz")
    assert reply.status_code == 503
    assert "db.internal" not in reply.content.decode()
