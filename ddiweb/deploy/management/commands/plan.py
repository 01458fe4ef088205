"""``manage.py plan``: what an apply would change now."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ddiweb.deploy import pipeline, registry
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.management.commands._node import add_node_argument, find_node

CHANGES = 2


class Command(BaseCommand):
    """Exit status 0: nothing to do; 2: there are changes; 1: it can't be told."""

    help = "Show rows and rules that an apply would change, secrets redacted. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NODE."""
        add_node_argument(parser, "short name; this machine's node if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the differences of each target."""
        node = find_node(options["node"])
        if node.slug != settings.NODE and not node.dry_run:
            raise CommandError(
                f"{node.slug} is another machine (DDIWEB_NODE is {settings.NODE!r} here): run it "
                "there, or see the plan of its last deployment in the panel"
            )
        try:
            plans = pipeline.plan(node, registry.targets())
        except DeployError as error:
            raise CommandError(str(error)) from error
        for name, plan in plans.items():
            state = "nothing to do" if plan.empty else f"{len(plan.lines)} changes"
            self.stdout.write(self.style.MIGRATE_HEADING(f"{name}: {state}"))
            for line in plan.lines:
                style = {"+": self.style.SUCCESS, "-": self.style.ERROR}.get(line[:1], str)
                self.stdout.write(f"  {style(line)}")
        if node.restart_owed:
            self.stdout.write(self.style.WARNING(f"waits: {node.restart_owed}"))
        if any(not plan.empty for plan in plans.values()):
            raise SystemExit(CHANGES)
