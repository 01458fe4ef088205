"""``manage.py why``: would this packet pass, and by which rule?"""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.management.commands._node import add_node_argument, find_node
from ddiweb.deploy.models import Node
from firewall import why
from firewall.ruleset.packet import MAX_PAYLOAD
from peers.models import Peer

DROPPED = 2
CONTRADICTED = 3


class Command(BaseCommand):
    """Exit 0: it passes; 2: it is dropped; 3: kernel and oracle contradict; 1: it can't be told."""

    help = (
        "Say whether a packet would pass the firewall, and why: the real kernel's word, in a "
        "scratch namespace with the rules in force, and beside it that of an independent oracle. "
        "Changes nothing. Tokens are redacted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ADDRESS:PORT, NODE and what else a packet is made of."""
        parser.add_argument("source", help="from where: 203.0.113.7:5060 or [2001:db8::7]:5060")
        add_node_argument(parser, "short name; this machine's node if left out")
        parser.add_argument(
            "--to-port", type=int, default=0, help="the node's SIP port if left out"
        )
        parser.add_argument("--protocol", choices=("udp", "tcp", "icmp"), default="udp")
        parser.add_argument(
            "--payload-file", default="", help="a SIP message, say; - reads standard input"
        )
        parser.add_argument(
            "--peer", type=int, help="id of a peer whose phone registered from there just now"
        )
        parser.add_argument("--reply", action="store_true", help="the host sent to it first")
        parser.add_argument("--json", action="store_true", help="print a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask and print."""
        node = find_node(options["node"])
        if node.slug != settings.NODE and not node.dry_run:
            raise CommandError(
                f"{node.slug} is another machine (DDIWEB_NODE is {settings.NODE!r} here): run it "
                "there"
            )
        try:
            asked = why.question(
                node,
                options["source"],
                to_port=options["to_port"],
                protocol=options["protocol"],
                payload=_payload(options["payload_file"]),
                peer=_peer(node, options["peer"]),
                reply=options["reply"],
            )
            found = why.explain(node, asked)
        except DeployError as error:
            raise CommandError(str(error)) from error
        self._show(found, options["json"])
        if not found.agreed:
            raise SystemExit(CONTRADICTED)
        if not found.passes:
            raise SystemExit(DROPPED)

    def _show(self, found: why.Explanation, as_json: bool) -> None:
        witnesses = {"kernel": found.kernel, "oracle": found.oracle}
        if as_json:
            self.stdout.write(json.dumps(found.to_json(), indent=1))
            return
        self.stdout.write(self.style.MIGRATE_HEADING(str(found.packet)))
        styles = {"accept": self.style.SUCCESS, "drop": self.style.ERROR}
        for name, said in witnesses.items():
            verdict, path = said or ("not asked", ())
            self.stdout.write(f"{name}  {styles.get(verdict, self.style.WARNING)(verdict)}")
            for line in path:
                self.stdout.write(f"    {line}")
        self.stdout.write(f"note    {found.note}")
        if not found.agreed:
            self.stdout.write(self.style.ERROR("kernel and oracle contradict: report this"))


def _payload(name: str) -> bytes:
    if not name:
        return b""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_PAYLOAD + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_PAYLOAD + 1)
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}") from None
    if len(data) > MAX_PAYLOAD:
        raise CommandError(f"{name} is longer than {MAX_PAYLOAD} bytes")
    return data


def _peer(node: Node, number: int | None) -> Peer | None:
    if number is None:
        return None
    found = Peer.objects.filter(node=node, pk=number).first()
    if found is None:
        raise CommandError(f"{node.slug} has no peer {number}")
    return found
