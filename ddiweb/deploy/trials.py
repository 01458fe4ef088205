"""A deployment on trial: it waits, without a worker and without a lease, for a person's word.

The kernel counts the time and ends the trial by itself; what happens here is bookkeeping. All
that changes the node runs on the node: in its worker, or by ``manage.py confirm``.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from celery.exceptions import OperationalError as CeleryOperationalError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from kombu.exceptions import OperationalError

from ddiweb import clock
from ddiweb.deploy import services
from ddiweb.deploy.errors import DeployError, Retryable
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from ddiweb.deploy.target import Target, Trying

log = logging.getLogger(__name__)

Verb = Literal["confirm", "rollback", "close"]
#: Seconds after its end at which a trial is over though its node can't be asked.
_SILENT_NODE = 30
LAPSED = "nobody confirmed it in time: {} is not in force; the rules before are, with all the rest"
GIVEN_UP = "rolled back by hand: {} is not in force; the rules before are, with all the rest"
NOT_AGAIN = "not tried again by itself, for nobody confirmed it: {}; all the rest is in force"


def waiting(node_id: int) -> Deployment | None:
    """The node's deployment on trial."""
    return Deployment.objects.filter(node_id=node_id, state=State.CONFIRMING).first()


def wait_for_another(row: Deployment) -> bool:
    """Whether the node has something else on trial; then ``row`` waits for its end."""
    other = waiting(row.node_id)
    if other is None:
        return False
    mine = Deployment.objects.filter(pk=row.pk, state=State.PENDING)
    mine.update(not_before=other.confirm_until, error=_waits(other))
    return True


def refuse_second(row: Deployment) -> None:
    """Raise Retryable if the node has something on trial; an urgent one has cut by now."""
    if other := waiting(row.node_id):
        raise Retryable(_waits(other))


def _waits(other: Deployment) -> str:
    return f"waits for deployment #{other.pk}, which is on trial"


def send(row: Deployment, verb: Verb, *, countdown: float | None = None) -> bool:
    """Let the node's own worker end the trial; False if Redis is not to be reached."""
    from ddiweb.deploy.tasks import end_trial

    try:
        end_trial.apply_async((row.pk, verb), queue=row.node.queue, countdown=countdown)
    except (OperationalError, CeleryOperationalError, OSError) as error:
        log.warning("redis can't be reached (%s)", type(error).__name__)
        return False
    return True


def end(row: Deployment, verb: Verb, targets: Sequence[Target]) -> State:
    """Confirm, roll back, or look what became of it; returns the state after that.

    A confirmation that the node refuses leaves the trial running and its reason with the row.
    """
    if row.state != State.CONFIRMING:
        return State(row.state)
    trying = [target for target in targets if isinstance(target, Trying)]
    try:
        for target in trying:
            if target.outcome(row.node, row.fence) != "running":
                continue
            if verb == "confirm":
                target.confirm(row.node, row.fence)
            elif verb == "rollback":
                target.give_up(row.node, row.fence)
        outcomes = {target.outcome(row.node, row.fence) for target in trying}
        if outcomes == {"kept"}:
            return _close(row, State.DONE, "confirmed over a new connection")
        if "running" not in outcomes:
            return _close(row, State.ROLLED_BACK, GIVEN_UP if verb == "rollback" else LAPSED)
    except DeployError as error:
        Deployment.objects.filter(pk=row.pk, state=State.CONFIRMING).update(error=str(error)[:2000])
    return State.CONFIRMING


def overdue() -> int:
    """Look after trials whose time is up; how many."""
    now, count = clock.now(), 0
    rows = Deployment.objects.select_related("node").filter(state=State.CONFIRMING)
    for row in rows.filter(confirm_until__lt=now):
        count += 1
        if row.confirm_until and now - row.confirm_until > timedelta(seconds=_SILENT_NODE):
            # Its kernel has ended it by now, whether or not anybody there answers.
            _close(row, State.ROLLED_BACK, LAPSED)
        else:
            send(row, "close")
    return count


def _close(row: Deployment, state: State, text: str) -> State:
    """The one move out of a trial; who waited for its end may go on."""
    text = text.format("; ".join(row.trial))
    now = timezone.now()
    entry = {"at": now.isoformat(timespec="milliseconds"), "state": state, "text": text}
    with transaction.atomic():
        moved = Deployment.objects.filter(pk=row.pk, state=State.CONFIRMING).update(
            state=state, log=[*row.log, entry], finished_at=now,
            error="" if state == State.DONE else text,
        )  # fmt: skip
        if moved and state == State.DONE:
            older = Node.objects.filter(pk=row.node_id, applied_generation__lte=row.generation)
            older.update(applied_generation=row.generation, applied_at=now, checked_at=now)
    if moved:
        next_in_turn = Deployment.objects.filter(node_id=row.node_id, state=State.PENDING)
        next_in_turn.update(not_before=None)
        for pk in next_in_turn.values_list("pk", flat=True):
            services.enqueue(pk)
    row.refresh_from_db(fields=["state", "error"])
    return State(row.state)


def context(request: HttpRequest) -> dict[str, Any]:
    """For every page of the panel: what is on trial now, and what nobody confirmed."""
    user = getattr(request, "user", None)
    if user is None or not user.has_perm("deploy.view_deployment"):
        return {}
    rows = Deployment.objects.select_related("node").defer("plan", "log")
    newest = [rows.filter(node=node).exclude(trial=[]).first() for node in Node.objects.all()]
    shown = [row for row in newest if row]
    return {
        "trials": [row for row in shown if row.confirming],
        "held_back": [row for row in shown if row.held and not row.node.converged],
    }
