"""Probes for load balancers and supervisors: ``/healthz`` and ``/readyz``, without a login.

``/healthz`` says that this process answers and asks nobody else. ``/readyz`` says whether the
panel can do its work: 200, or 503 with the part that can't. Neither names hosts or versions.
"""

import time
from collections.abc import Callable, Iterable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ddiweb.live import heartbeat

#: Seconds that Redis is given to answer.
REDIS_PATIENCE = 1.0


class UnreadyError(Exception):
    """A part is not ready; the text is shown, so it says nothing that a stranger may not know."""


def database() -> str:
    """The database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return "answers"


def migrations() -> str:
    """Every migration is applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise UnreadyError(f"{len(missing)} to apply; run manage.py migrate")
    return "applied"


def broker() -> str:
    """Redis answers a PING."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE
    )
    try:
        client.ping()
    finally:
        client.close()
    return "answers"


def worker() -> str:
    """A worker took one of beat's tasks lately, so beat, Redis and the worker all live."""
    newest = next(iter(heartbeat.pulses("worker:")), None)
    if newest is None or newest.age is None:
        raise UnreadyError("no worker was heard of yet")
    if not newest.alive:
        raise UnreadyError(f"silent for {newest.age:.0f} s")
    return f"heard of {newest.age:.0f} s ago"


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "migrations": migrations,
    "redis": broker,
    "worker": worker,
}


def run(checks: Iterable[tuple[str, Callable[[], str]]]) -> dict[str, dict[str, object]]:
    """Run each check; what it says, whether it is well, and its milliseconds."""
    found: dict[str, dict[str, object]] = {}
    for name, check in checks:
        start = time.monotonic()
        try:
            ok, says = True, check()
        except UnreadyError as error:
            ok, says = False, str(error)
        except (DatabaseError, redis.RedisError, OSError) as error:
            ok, says = False, f"does not answer ({type(error).__name__})"
        milliseconds = round((time.monotonic() - start) * 1000, 1)
        found[name] = {"ok": ok, "says": says, "ms": milliseconds}
    return found


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 while this process lives."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 if every part is ready, else 503; the same JSON for both."""
    checks = run(CHECKS.items())
    ready = all(check["ok"] for check in checks.values())
    body = {"status": "ok" if ready else "unready", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)
