"""Links that set up a phone: each is a credential, good once and for a quarter of an hour."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from ddiweb.clock import trusted
from ddiweb.deploy.models import Node
from ddiweb.deploy.services import User
from peers import passwords, phones
from peers.choices import Transport
from peers.models import Peer, ProvisioningLink
from peers.provisioning import FAMILIES
from peers.services import token_digest
from peers.tls import roots

LIFE = timedelta(minutes=15)
KEPT = timedelta(days=30)
SECRET_BYTES = 32
PATIENCE = 10.0  # seconds; behind them the phone is answered all the same


@dataclass(frozen=True)
class File:
    """What a phone is given."""

    name: str
    content_type: str
    text: str
    node: int  # whose generation holds the password


@transaction.atomic
def make(peer: Peer, family: str, user: User = None) -> tuple[str, ProvisioningLink]:
    """Return a new link's secret, kept nowhere, and its row; earlier unused ones end.

    Raises ValidationError for a peer that could not sign in.
    """
    if not peer.enabled:
        raise ValidationError("this phone is switched off: switch it on first", code="off")
    if peer.transport == Transport.IAX:
        raise ValidationError(
            "no app takes a file for IAX2: “Set up the phone” shows what to type", code="iax"
        )
    if phones.status(peer).newest is None:
        raise ValidationError("this phone has no live token: rotate it first", code="no_token")
    now = trusted.now()
    ProvisioningLink.objects.filter(peer=peer, used_at__isnull=True).delete()
    ProvisioningLink.objects.filter(expires_at__lt=now - KEPT).delete()
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = ProvisioningLink.objects.create(
        peer=peer,
        digest=token_digest(secret),
        format=family,
        created_by_id=getattr(user, "pk", None),
        expires_at=now + LIFE,
    )
    return secret, row


@transaction.atomic
def redeem(secret: str) -> File | None:
    """Use a link up and return its file; None if it is unknown, used or expired.

    The UPDATE decides: of two that come at once, one is given the file.
    """
    now = trusted.now()
    rows = ProvisioningLink.objects.filter(
        digest=token_digest(secret), expires_at__gt=now, peer__enabled=True
    )
    if not rows.filter(used_at__isnull=True).update(used_at=now):
        return None
    row = rows.select_related("peer__node", "created_by").get()
    family = FAMILIES[row.format]
    # Whoever is given the file is given the password that is good from now on.
    password = passwords.give(row.peer, row.created_by)
    account = phones.account(row.peer, phones.status(row.peer).newest, password)
    text = family.render(account, authority(row.peer))
    return File(family.file, family.content_type, text, row.peer.node_id)


def wait_until_in_force(node: int, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until what a node was asked for so far is in force, ``PATIENCE`` seconds at most.

    A phone registers within milliseconds of the file. Refused, because Asterisk does not know the
    password yet, it does not try again, and its failure counts towards a ban.
    """
    asked = Node.objects.get(pk=node)
    deadline = time.monotonic() + (0 if asked.dry_run else PATIENCE)
    while True:
        if Node.objects.filter(pk=node, applied_generation__gte=asked.generation).exists():
            return True
        if time.monotonic() >= deadline:
            return False
        sleep(0.1)


def authority(peer: Peer) -> str:
    """The root that the phone must trust, PEM; empty if it needs none."""
    if peer.transport != Transport.TLS or settings.TLS_CERTIFICATE:
        return ""
    root = roots.current()
    return root.certificate if root else ""
