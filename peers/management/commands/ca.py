"""``manage.py ca``: the panel's own authority for phones with TLS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from peers.models import Authority
from peers.tls import authority, roots


class Command(BaseCommand):
    """Show, name and change the authority; its key is never shown."""

    help = "The authority that signs the nodes' certificates: show, fingerprint, rotate, finish."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one subcommand a wish."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("show", help="its certificate, PEM, for phones to trust")
        verbs.add_parser("fingerprint", help="SHA-256 and end, to compare by eye")
        rotate = verbs.add_parser("rotate", help="make a new one; phones that trust the old go on")
        rotate.add_argument(
            "--stolen",
            action="store_true",
            help="no overlap: the old one is trusted no longer, phones need the new one at once",
        )
        verbs.add_parser("finish", help="end the overlap of a rotation")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked for."""
        verb = options["verb"]
        if verb == "rotate":
            self._say(roots.rotate(overlap=not options["stolen"]))
            return
        row = roots.current()
        if row is None:
            raise CommandError(
                "there is no authority yet: it is made for the first node with TLS (give a node "
                "a TLS port and a host name), or by `ca rotate`"
            )
        if verb == "show":
            self.stdout.write(row.certificate, ending="")
        elif verb == "finish":
            if not roots.finish():
                raise CommandError("no rotation is under way: nothing to finish")
            self.stdout.write("phones that trust only the old authority are refused from now on")
        else:
            self._say(row)

    def _say(self, row: Authority) -> None:
        found = authority.parse(row.certificate)
        self.stdout.write(f"SHA-256  {authority.fingerprint(found)}")
        self.stdout.write(f"ends     {found.not_valid_after_utc:%Y-%m-%d}")
        if row.cross:
            self.stdout.write("overlap  phones that trust the authority before are accepted too")
