"""``manage.py deploy``: ask for a deployment and follow it."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ddiweb.deploy.management.commands._node import add_node_argument, find_node
from ddiweb.deploy.models import Deployment
from ddiweb.deploy.services import request_deployment
from ddiweb.deploy.states import State

LOOK_EVERY = 0.1  # seconds


class Command(BaseCommand):
    """Exit status 0 only if the deployment is done, or with --no-wait if it waits for its turn."""

    help = "Bring a node to its newest generation, by its own worker, and follow the states."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NODE, --no-wait and --timeout."""
        add_node_argument(parser, "short name; this machine's node if left out")
        wait = parser.add_mutually_exclusive_group()
        wait.add_argument("--follow", action="store_true", default=True, help="the default")
        wait.add_argument("--no-wait", action="store_false", dest="follow")
        parser.add_argument("--timeout", type=float, default=120.0, help="seconds to follow it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Request it, print each state as it is reached."""
        node = find_node(options["node"])
        row = request_deployment(node, "asked for by manage.py deploy", bump=False)
        self.stdout.write(f"deployment {row.pk} of {node.slug}, generation {row.generation}")
        if options["follow"]:
            self._follow(row, time.monotonic() + options["timeout"])

    def _follow(self, row: Deployment, deadline: float) -> None:
        shown = 0
        while True:
            row.refresh_from_db()
            for entry in row.log[shown:]:
                self.stdout.write(f"  {entry['at'][11:23]} {entry['state']:<10} {entry['text']}")
            shown = len(row.log)
            if row.state == State.SUPERSEDED:
                newer = Deployment.objects.filter(node=row.node_id, pk__gt=row.pk).last()
                row, shown = newer or row, 0
            elif row.finished:
                break
            if time.monotonic() > deadline:
                hint = "does a worker serve its queue? see manage.py doctor"
                raise CommandError(f"deployment {row.pk} is still {row.state}; {hint}")
            time.sleep(LOOK_EVERY)
        if row.state != State.DONE:
            raise CommandError(f"deployment {row.pk} {row.state}: {row.meaning}. {row.error}")
        for name, lines in row.plan.items():
            self.stdout.write(f"  {name}: {len(lines)} changes")
