"""Ask for deployments. Call within the transaction of the edit itself."""

import logging
from datetime import timedelta
from typing import Any

from celery.exceptions import OperationalError as CeleryOperationalError
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.auth.models import User as Person
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from kombu.exceptions import OperationalError

from ddiweb import clock
from ddiweb.client import asking
from ddiweb.deploy import lock
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import AT_WORK, State

log = logging.getLogger(__name__)

User = AbstractBaseUser | AnonymousUser | None
#: A task that was sent this long ago (seconds) and did not start is sent again.
RESEND_AFTER = 8


def request_deployment(
    node: Node | int,
    reason: str,
    user: User = None,
    *,
    urgent: bool = False,
    bump: bool = True,
    drift: dict[str, Any] | None = None,
) -> Deployment:
    """Raise the node's generation and make sure that a deployment of it is waiting.

    Edits coalesce: while one deployment is pending, another edit only raises its generation.
    ``urgent`` skips the quiet time (a compromise must cut at once). The task is sent when the
    transaction is committed; if Redis is away then, the sweeper finds the row. ``drift``: what
    somebody else had changed, if that is the reason (see ``Deployment.drift``).
    """
    node_id = node if isinstance(node, int) else node.pk
    person = user if isinstance(user, Person) else None
    with transaction.atomic():
        if bump:
            Node.objects.filter(pk=node_id).update(generation=F("generation") + 1)
        generation = Node.objects.values_list("generation", flat=True).get(pk=node_id)
        made = {"reason": reason[:200], "requested_by": person, "drift": drift or {}}
        deployment = _pending(node_id, generation, urgent, made)
        transaction.on_commit(lambda: enqueue(deployment.pk))
    return deployment


def _pending(node_id: int, generation: int, urgent: bool, made: dict[str, Any]) -> Deployment:
    """The deployment that waits; if there is none, it is made with ``made``."""
    waiting = Deployment.objects.filter(node_id=node_id, state=State.PENDING)
    changes: dict[str, object] = {"generation": generation, "edits": F("edits") + 1}
    if urgent:
        changes |= {"urgent": True, "not_before": None}
    if person := made["requested_by"]:
        changes |= {"requested_by": Coalesce("requested_by", Value(person.pk))}
    if address := asking.get():
        changes |= {"requested_from": address}
    if not waiting.update(**changes):
        try:
            with transaction.atomic():
                return Deployment.objects.create(
                    node_id=node_id,
                    generation=generation,
                    urgent=urgent,
                    requested_from=address,
                    **made,
                )
        except IntegrityError:
            # Another editor made the row between our UPDATE and our INSERT (PostgreSQL).
            waiting.update(**changes)
    return waiting.get()


def enqueue(deployment_id: int, *, countdown: float | None = None) -> bool:
    """Send the hint to the node's queue; returns False if Redis is not to be reached."""
    from ddiweb.deploy.tasks import run_deployment

    row = Deployment.objects.select_related("node").get(pk=deployment_id)
    try:
        run_deployment.apply_async((deployment_id,), queue=row.node.queue, countdown=countdown)
    except (OperationalError, CeleryOperationalError, OSError) as error:
        log.warning("redis can't be reached (%s); the sweeper will send it", type(error).__name__)
        return False
    Deployment.objects.filter(pk=deployment_id).update(enqueued_at=clock.now())
    return True


def release_lost() -> int:
    """Return deployments of dead workers and of ended leases to ``pending``; how many."""
    now = clock.now()
    count = 0
    for row in Deployment.objects.select_related("node").filter(state__in=list(AT_WORK)):
        until, holder = row.node.lease_until, row.node.lease_holder
        if until is None or until < now or lock.is_gone(holder):
            count += return_to_pending(row, "its worker was lost", delay=0)
    return count


def release_older(node_id: int, fence: int) -> None:
    """Return to ``pending`` what earlier holders of this node's lease left running."""
    for row in Deployment.objects.filter(node_id=node_id, state__in=list(AT_WORK), fence__lt=fence):
        return_to_pending(row, "its worker was lost", delay=0)


def return_to_pending(row: Deployment, why: str, *, delay: float) -> int:
    """Let a running deployment wait for another try, or give way to a newer one.

    Returns 1 if this call moved it, 0 if another process was faster.
    """
    now = timezone.now()
    mine = Deployment.objects.filter(pk=row.pk, state=row.state, fence=row.fence)
    entry = {"at": now.isoformat(timespec="milliseconds"), "state": "pending", "text": why}
    try:
        with transaction.atomic():
            return mine.update(
                state=State.PENDING, not_before=clock.now() + timedelta(seconds=delay), error=why,
                log=[*row.log, entry], enqueued_at=None,
            )  # fmt: skip
    except IntegrityError:
        entry["state"] = "superseded"
        return mine.update(state=State.SUPERSEDED, finished_at=now, error="", log=[*row.log, entry])


def sweep(resend_after: float = RESEND_AFTER) -> dict[str, int]:
    """Find what Redis or a dead worker lost, and send it again.

    ``resend_after``: seconds since a task was sent, after which it counts as lost.
    """
    found = {"lost": release_lost(), "resent": 0, "missing": 0}
    now = clock.now()
    stale = Q(enqueued_at__isnull=True) | Q(enqueued_at__lt=now - timedelta(seconds=resend_after))
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    for pk in Deployment.objects.filter(stale & due, state=State.PENDING).values_list(
        "pk", flat=True
    ):
        found["resent"] += enqueue(pk)
    nodes = Node.objects.annotate(newest=Max("deployments__generation"))
    for node in nodes.filter(Q(newest__isnull=True) | Q(newest__lt=F("generation"))):
        request_deployment(node, "found by the sweeper", bump=False)
        found["missing"] += 1
    return found
