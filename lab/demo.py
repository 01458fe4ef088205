"""The sandbox's contents: a node, a vendor, a London number and one phone; made once.

``python -m lab.demo --password`` gives the administrator a new password and prints it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab import keys, parts

if TYPE_CHECKING:
    from ddiweb.deploy.models import Node
    from lab.keys import Places
    from lab.pbx import PbxPlan
    from lab.process import Namespace

ADMINISTRATOR = "admin"
PASSWORD_BYTES = 15
#: Ofcom keeps 020 7946 0000 to 0999 for drama: nobody is called by mistake.
NUMBER = "+442079460123"
VENDOR_NETWORKS = ("203.0.113.20/32", "2001:db8:113::20/128")
PEER = "Ada mobile"
RING_SECONDS = 25
#: Every name below it is the server, in the namespaces alone (RFC 2606, 2).
SIP_DOMAIN = "sip.sandbox.test"


def set_up() -> None:
    """Start Django for a module that is run by itself."""
    import django

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ddiweb.settings")
    django.setup()


def administrator(*, renew: bool) -> str | None:
    """Make the administrator if there is none; returns the new password, or None if kept."""
    from django.contrib.auth import get_user_model

    users = get_user_model()
    user = users.objects.filter(username=ADMINISTRATOR).first()
    if user is not None and not renew:
        return None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    if user is None:
        users.objects.create_superuser(ADMINISTRATOR, password=password)
    else:
        user.set_password(password)
        user.is_active = True
        user.save()
        _forget_lockout()
    return password


def _forget_lockout() -> None:
    """Whoever may run this may sign in at once, also after too many wrong passwords."""
    from axes.utils import reset

    reset(username=ADMINISTRATOR)


def contents(slug: str, *, dry_run: bool) -> int:
    """Make the demo if the node is missing; returns the key of the deployment that is to come.

    There is one at each start: it reads back what is in force, and mends it.
    """
    from django.db import transaction

    from ddiweb.deploy.models import Node
    from ddiweb.deploy.services import request_deployment

    with transaction.atomic():
        node, created = Node.objects.get_or_create(
            slug=slug,
            defaults={
                "name": "Sandbox",
                "public_ipv4": "203.0.113.10",
                "public_ipv6": "2001:db8:113::10",
                "dry_run": dry_run,
                "allow_tcp": True,
                "tls_port": 5061,
                "sip_domain": SIP_DOMAIN,
            },
        )
        if created:
            _telephony(node)
        elif node.dry_run != dry_run:
            Node.objects.filter(pk=node.pk).update(dry_run=dry_run)
        return request_deployment(node, "the sandbox was started", bump=False).pk


def _telephony(node: Node) -> None:
    from peers import services
    from peers.choices import Cause, StepKind
    from peers.models import Number, Peer, Step, Trunk, TrunkNetwork

    if Number.objects.filter(e164=NUMBER).exists():
        return  # somebody gave it to a node of their own
    trunk = Trunk(node=node, name="Vendor London", qualify=False)
    trunk.full_clean()
    trunk.save()
    for cidr in VENDOR_NETWORKS:
        network = TrunkNetwork(trunk=trunk, cidr=cidr, note="the lab's vendor")
        network.full_clean()
        network.save()
    peer = Peer(node=node, name=PEER, username="ada-mobile")
    peer.full_clean()
    peer.save()
    number = Number(trunk=trunk, e164=NUMBER, label="London office")
    number.full_clean()
    number.save()
    ring = Step.objects.create(number=number, position=1, kind=StepKind.RING, timeout=RING_SECONDS)
    ring.peers.add(peer)
    Step.objects.create(number=number, position=2, kind=StepKind.REJECT, cause=Cause.UNAVAILABLE)
    services.peer_created(peer)


def pbx_plan(where: Places, slug: str, ami_secret: str, ns: Namespace) -> PbxPlan:
    """Return the Asterisk that the node describes, on a realtime database with its tables."""
    from django.conf import settings

    from ddiweb.deploy.models import Node
    from lab.pbx import PbxPlan
    from peers.realtime import snapshot
    from peers.realtime.store import open_store

    url = settings.REALTIME_URL
    open_store(url).create_schema()
    facts, _ = snapshot.take(Node.objects.get(slug=slug))
    return PbxPlan(where.pbx, facts.node, url, ami_secret, ns)


def wait_until_in_force(deployment: int, seconds: float) -> str | None:
    """Wait for the end of a deployment; returns what stands in the way, None if it is done."""
    from ddiweb.deploy.models import Deployment
    from ddiweb.deploy.states import State

    deadline = time.monotonic() + seconds
    while True:
        row = Deployment.objects.get(pk=deployment)
        if row.state in (State.DONE, State.SUPERSEDED):
            return None
        if row.finished or time.monotonic() > deadline:
            return f"deployment {row.pk} {row.state}: {row.error or row.meaning}"
        time.sleep(0.05)


def worker_age(slug: str) -> float | None:
    """Seconds since the node's worker was heard of; None if it never was."""
    from ddiweb.live import heartbeat

    return heartbeat.pulse(heartbeat.worker_name(slug)).age


def main() -> int:
    """Make a new password for the administrator and print it."""
    parser = argparse.ArgumentParser(prog="python -m lab.demo")
    parser.add_argument("--password", action="store_true", required=True)
    parser.parse_args()
    where = keys.places(parts.ROOT)
    if not where.settings.is_file():
        sys.exit("there is no sandbox here yet: start `make run` first")
    parts.environment(where)
    set_up()
    print(f"user      {ADMINISTRATOR}\npassword  {administrator(renew=True)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
