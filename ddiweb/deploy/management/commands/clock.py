"""``manage.py clock``: the trusted time beside the wall clock; ``--accept-wall`` makes them one."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from ddiweb import clock


class Command(BaseCommand):
    """Show or mend the trusted time of this machine."""

    help = "Show this machine's trusted time, by which graces, bans and certificates end."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The arguments."""
        parser.add_argument(
            "--accept-wall",
            action="store_true",
            help="take the wall clock for the truth: running graces and bans move with it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        if options["accept_wall"]:
            moved = clock.trusted.accept_wall().total_seconds()
            self.stdout.write(f"moved by {moved:+.1f} s")
        ahead = clock.trusted.ahead_of_wall().total_seconds()
        self.stdout.write(f"{clock.now():%Y-%m-%d %H:%M:%S} UTC, wall clock {-ahead:+.1f} s")
