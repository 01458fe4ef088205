"""The NODE argument of the commands."""

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from ddiweb.deploy.models import Node


def add_node_argument(parser: CommandParser, text: str) -> None:
    """Add the optional NODE; this machine's own if it is left out."""
    parser.add_argument("node", nargs="?", default=None, help=text)


def find_node(slug: str | None) -> Node:
    """Return the node; raises CommandError that names the ones there are."""
    wanted = settings.NODE if slug is None else slug
    found = Node.objects.filter(slug=wanted).first()
    if found is None:
        known = ", ".join(Node.objects.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"no node {wanted!r} in the panel; there are: {known}")
    return found
