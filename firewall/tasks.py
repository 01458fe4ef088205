"""Clockwork of the firewall. Each node's own worker asks its own agent."""

import logging

from django.conf import settings

from ddiweb import clock
from ddiweb.celery import app
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from firewall import bans, options, questions, traffic
from firewall.channel import AgentChannel
from peers import witness

log = logging.getLogger(__name__)


@app.task
def hear_tokens_everywhere() -> None:
    """Every ``DDIWEB_HEAR_EVERY`` seconds: ask each node's own worker which tokens were heard."""
    for node in Node.objects.filter(dry_run=False):
        hear_tokens.apply_async((node.pk,), queue=node.queue, expires=settings.HEAR_EVERY)


@app.task
def hear_tokens(node_id: int) -> None:
    """Read the agent's counters, the second witness beside Asterisk."""
    node = Node.objects.get(pk=node_id)
    try:
        totals = AgentChannel(settings.AGENT_SOCKET).counters()["totals"]
    except DeployError as error:
        log.warning("counters of %s can't be read: %s", node.slug, error)
        return
    packets = {int(mark): count for mark, count in totals.get("token", {}).items()}
    if found := witness.heard(node, packets, clock.now()):
        log.info("%s: the kernel heard %d new tokens", node.slug, found)


@app.task
def answer_question(pk: int) -> None:
    """Answer one question about a packet."""
    questions.answer(pk)


@app.task
def sample_traffic_everywhere() -> None:
    """Every ``DDIWEB_TRAFFIC_EVERY`` seconds: ask each node's own worker for its counters."""
    for node in Node.objects.filter(dry_run=False):
        sample_traffic.apply_async((node.pk,), queue=node.queue, expires=settings.TRAFFIC_EVERY)


@app.task
def sample_traffic(node_id: int) -> None:
    """Read the agent's counters and store what rose."""
    node = Node.objects.get(pk=node_id)
    try:
        traffic.record(node, AgentChannel(settings.AGENT_SOCKET).counters())
    except DeployError as error:
        log.warning("counters of %s can't be read: %s", node.slug, error)


@app.task
def expire_options() -> int:
    """Every five seconds: take away services and exceptions whose time has run out."""
    return options.expire()


@app.task
def bring_bans(node_id: int) -> None:
    """Tell the agent at once what a person banned or let in again."""
    node = Node.objects.get(pk=node_id)
    try:
        bans.bring(node, AgentChannel(settings.AGENT_SOCKET, timeout=10.0))
    except DeployError as error:
        # The watch compares rows and kernel every few seconds.
        log.warning("bans of %s wait: %s", node.slug, error)
