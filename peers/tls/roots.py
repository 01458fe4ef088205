"""The panel's own authority as rows: one current root, made when it is first needed."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.deploy.services import User, request_deployment
from peers.models import Authority
from peers.tls import authority
from peers.tls.authority import Signed


def current() -> Authority | None:
    """The current root, None before the first node with TLS."""
    return Authority.objects.filter(current=True).first()


def ensure() -> Authority:
    """The current root, made now if there is none."""
    found = current()
    if found is not None:
        return found
    made = authority.new_root(_name(), timezone.now())
    try:
        with transaction.atomic():
            return Authority.objects.create(certificate=made.certificate, key=made.key)
    except IntegrityError:
        # Another worker was faster.
        return Authority.objects.get(current=True)


def signed(row: Authority) -> Signed:
    """The root with its key, for signing."""
    return Signed(row.certificate, row.key, row.cross)


@transaction.atomic
def rotate(user: User = None, *, overlap: bool = True) -> Authority:
    """Make a new root the current one and ask every node with TLS for a new certificate.

    With ``overlap`` phones that trust only the old root go on; without it (the old key was
    stolen) they refuse the nodes until they are given the new one. The old key is erased.
    """
    now = timezone.now()
    made = authority.new_root(_name(), now)
    old = Authority.objects.select_for_update().filter(current=True).first()
    cross = authority.cross(made, signed(old), now) if old is not None and overlap else ""
    Authority.objects.filter(current=True).update(current=False, key="")
    row = Authority.objects.create(certificate=made.certificate, key=made.key, cross=cross)
    _deploy("the panel's authority was rotated", user)
    return row


@transaction.atomic
def finish(user: User = None) -> bool:
    """End the overlap: phones that trust only the old root are refused from now on.

    Returns whether there was one.
    """
    if not Authority.objects.filter(current=True).exclude(cross="").update(cross=""):
        return False
    _deploy("the old authority is trusted no longer", user)
    return True


def _deploy(reason: str, user: User) -> None:
    for node in Node.objects.filter(tls_port__gt=0).exclude(sip_domain=""):
        request_deployment(node, reason, user)


def _name() -> str:
    # Two roots need two names: phones look an issuer up by it.
    host = next((name for name in settings.ALLOWED_HOSTS if name not in {"*", "[::1]"}), "panel")
    return f"ddiweb SIP {host.lstrip('.')[:32]} {timezone.now():%Y%m%d-%H%M%S}"
