"""``manage.py status``: the state of each node."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ddiweb.deploy.management.commands._node import add_node_argument, find_node
from ddiweb.deploy.models import Node
from ddiweb.live import heartbeat
from ddiweb.live.models import Contact


def describe(node: Node) -> dict[str, Any]:
    """Return what is known of a node, as plain values; times are ISO 8601, ages seconds."""
    last = node.deployments.first()
    return {
        "node": node.slug,
        "name": node.name,
        "dry_run": node.dry_run,
        "generation": node.generation,
        "applied_generation": node.applied_generation,
        "in_force": node.converged and not node.dry_run,
        "applied_at": node.applied_at.isoformat() if node.applied_at else None,
        "checked_at": node.checked_at.isoformat() if node.checked_at else None,
        "deployment": last and {"id": last.pk, "state": last.state, "error": last.error},
        "worker_age": heartbeat.pulse(heartbeat.worker_name(node.slug)).age,
        "watch_age": heartbeat.pulse(heartbeat.watch_name(node.slug)).age,
        "contacts": Contact.objects.filter(node=node).count(),
    }


class Command(BaseCommand):
    """Print one block a node."""

    help = "Show the state of each node: generation, last deployment, worker, watch, contacts."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NODE and --json."""
        add_node_argument(parser, "short name; all nodes if left out")
        parser.add_argument("--json", action="store_true", help="print a JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Describe one node or all."""
        nodes = [find_node(options["node"])] if options["node"] else list(Node.objects.all())
        described = [describe(node) for node in nodes]
        if options["json"]:
            self.stdout.write(json.dumps(described, indent=1))
            return
        if not described:
            self.stdout.write("no nodes yet: add one in the panel")
        for one in described:
            self._show(one)

    def _show(self, one: dict[str, Any]) -> None:
        if one["dry_run"]:
            force = self.style.WARNING("dry run")
        elif one["in_force"]:
            force = self.style.SUCCESS("in force")
        else:
            force = self.style.ERROR("not in force")
        last = one["deployment"]
        self.stdout.write(f"{one['node']:<16}{force}")
        self.stdout.write(f"  generation    {one['applied_generation']} of {one['generation']}")
        if last:
            error = f": {last['error']}" if last["error"] else ""
            self.stdout.write(f"  deployment    {last['id']} {last['state']}{error}")
        for name in ("worker", "watch"):
            age = one[f"{name}_age"]
            heard = "never heard of" if age is None else f"heard of {age:.0f} s ago"
            self.stdout.write(f"  {name:<13} {heard}")
        self.stdout.write(f"  contacts      {one['contacts']}")
