"""Celery's side of the pipeline. Arguments are ids; the truth is in the rows."""

import logging
import socket

from celery.signals import worker_ready
from django.conf import settings
from django.utils import timezone

from ddiweb.celery import app
from ddiweb.deploy import pipeline, registry, services, trials
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import RUNNING, State
from ddiweb.live import heartbeat

log = logging.getLogger(__name__)
#: Sentences about a drift that are kept; each line of it is in the diff.
KEPT_WORDS = 20


@app.task
def run_deployment(deployment_id: int) -> None:
    """Run one deployment on this node."""
    if not Deployment.objects.filter(pk=deployment_id).exists():
        return
    state = pipeline.run(deployment_id, registry.targets())
    log.info("deployment %s: %s", deployment_id, state)


@app.task
def end_trial(deployment_id: int, verb: trials.Verb) -> None:
    """Confirm a trial, roll it back, or look what became of it, on the node itself."""
    row = Deployment.objects.select_related("node").get(pk=deployment_id)
    state = trials.end(row, verb, registry.targets())
    log.info("trial of deployment %s, %s: %s", deployment_id, verb, state)


@app.task
def sweep() -> None:
    """Every few seconds: send again what was lost, and say that beat, Redis and a worker live."""
    heartbeat.note(heartbeat.worker_name(settings.NODE), "sweep")
    found = services.sweep() | {"overdue": trials.overdue()}
    if any(found.values()):
        log.info("sweep: %s", found)


@app.task
def check_drift_everywhere() -> None:
    """Ask each node's own worker to compare what is in force with what should be."""
    for node in Node.objects.filter(dry_run=False):
        check_drift.apply_async((node.pk,), queue=node.queue, expires=settings.DRIFT_EVERY)


@app.task
def check_drift(node_id: int) -> None:
    """Compare, and ask for a deployment if somebody else changed rows or rules."""
    node = Node.objects.get(pk=node_id)
    heartbeat.note(heartbeat.worker_name(node.slug), "drift")
    busy = Deployment.objects.filter(node=node, state__in=[State.PENDING, *RUNNING]).exists()
    last = node.deployments.first()
    if busy or last is None or last.state in {State.REFUSED, State.FAILED, State.ROLLED_BACK}:
        # Somebody has to look at a refused one: repeating it would hide it behind its copies.
        return
    try:
        drift = pipeline.drifted(node, registry.targets())
    except DeployError as error:
        log.warning("drift of %s can't be told: %s", node.slug, error)
        return
    node.refresh_from_db()
    if drift and node.converged:
        parts = ", ".join(f"{len(plan.lines)} in {name}" for name, plan in drift.items())
        told = {
            "at": timezone.now().isoformat(timespec="milliseconds"),
            "by": f"the worker of {node.slug} on {socket.gethostname()}",
            "words": [text for plan in drift.values() for text in plan.words][:KEPT_WORDS],
            "seen": {name: pipeline.kept(plan.seen or plan.lines) for name, plan in drift.items()},
        }
        services.request_deployment(node, f"drift: {parts}", bump=False, drift=told)


@worker_ready.connect
def sweep_at_start(**_: object) -> None:
    """A worker that comes back looks at once for what its predecessor left."""
    heartbeat.note(heartbeat.worker_name(settings.NODE), "started")
    # What its predecessor had taken from Redis is lost with it: a second copy does no harm.
    log.info("worker ready: %s", services.sweep(resend_after=0))
