"""Clockwork of the firewall. Each node's own worker asks its own agent."""

import logging

from django.conf import settings

from ddiweb import clock
from ddiweb.celery import app
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
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
