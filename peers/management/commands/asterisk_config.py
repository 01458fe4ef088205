"""``manage.py asterisk_config``: write Asterisk's static configuration for this node."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.env import secret
from peers.realtime import snapshot
from peers.realtime.static import AmiTls, Folders, StaticConfig, write_static
from peers.realtime.store import open_store

#: Folders of Debian's package asterisk.
DEFAULTS = {
    "etc": "/etc/asterisk",
    "modules": "/usr/lib/x86_64-linux-gnu/asterisk/modules",
    "data": "/usr/share/asterisk",
    "state": "/var/lib/asterisk",
    "spool": "/var/spool/asterisk",
    "run": "/run/asterisk",
    "log": "/var/log/asterisk",
}


def _ami_tls(given: list[str] | None) -> AmiTls | None:
    if given is None:
        return None
    address, port, certificate, key, network = given
    if not port.isascii() or not port.isdecimal():
        raise CommandError("--ami-tls: the port is not a number")
    return AmiTls(address, int(port), Path(certificate), Path(key), network)


class Command(BaseCommand):
    """Overwrites the files that ddiweb has templates for, and no others."""

    help = "Write Asterisk's static configuration (deploy/asterisk) for the node DDIWEB_NODE."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one option a folder."""
        for name, default in DEFAULTS.items():
            parser.add_argument(f"--{name}", type=Path, default=Path(default), help=default)
        parser.add_argument(
            "--realtime-url",
            default=settings.REALTIME_URL,
            help="as Asterisk reaches it, by a role that may only read; DDIWEB_REALTIME_URL",
        )
        parser.add_argument(
            "--ami-tls",
            nargs=5,
            metavar=("ADDRESS", "PORT", "CERTIFICATE", "KEY", "NETWORK"),
            help="AMI over TLS too, for a worker and a watch on another host, from NETWORK alone",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the realtime tables and write the files."""
        node = Node.objects.filter(slug=settings.NODE).first()
        if node is None:
            raise CommandError(f"no node {settings.NODE!r} in the panel: add it there first")
        try:
            open_store(settings.REALTIME_URL).create_schema()
            facts, _ = snapshot.take(node)
            config = StaticConfig(
                node=facts.node,
                folders=Folders(**{name: options[name] for name in DEFAULTS}),
                realtime_url=options["realtime_url"],
                tls=Path(settings.TLS_DIR),
                sounds=Path(settings.SOUNDS_DIR),
                ami_secret=secret("DDIWEB_AMI_SECRET"),
                ami_user=settings.AMI_USERNAME,
                ami_port=settings.AMI_PORT,
                names_port=settings.NAMES_PORT_ASKED,
                ami_tls=_ami_tls(options["ami_tls"]),
            )
            write_static(config)
        except (DeployError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"written to {options['etc']}; restart Asterisk to load it")
