"""Renewal: by the clock, and a look at what is overdue."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ddiweb.deploy.services import request_deployment
from peers.models import NodeCertificate


def run(now: datetime | None = None) -> int:
    """Ask for a deployment of each node whose certificate is due; returns how many.

    The comparison of what is with what should be finds it too, but not after a deployment that
    failed: an old fault must not let a certificate end.
    """
    due = NodeCertificate.objects.filter(renew_at__lte=now or timezone.now(), node__dry_run=False)
    count = 0
    for row in due.select_related("node"):
        with transaction.atomic():
            request_deployment(row.node, "the certificate is due for renewal", bump=False)
        count += 1
    return count
