"""``manage.py confirm``: keep what is on trial, on the node itself, without web or Redis."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ddiweb.deploy import registry, trials
from ddiweb.deploy.management.commands._node import add_node_argument, find_node
from ddiweb.deploy.states import State


class Command(BaseCommand):
    """Exit status 0 only if the change is kept."""

    help = "Confirm the change that is on trial on a node. Open a new connection to it before."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NODE and --roll-back."""
        add_node_argument(parser, "short name; this machine's node if left out")
        parser.add_argument("--roll-back", action="store_true", help="end the trial at once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        node = find_node(options["node"])
        row = trials.waiting(node.pk)
        if row is None:
            raise CommandError(f"nothing is on trial on {node.slug}")
        wanted = State.ROLLED_BACK if options["roll_back"] else State.DONE
        state = trials.end(
            row, "rollback" if options["roll_back"] else "confirm", registry.targets()
        )
        row.refresh_from_db(fields=["error"])
        if state != wanted:
            raise CommandError(f"deployment #{row.pk} is {state}: {row.error}")
        self.stdout.write(f"deployment #{row.pk} of {node.slug}: {state.replace('_', ' ')}")
