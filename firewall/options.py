"""Services and exceptions end at their time: the row goes, its node's deployment is asked."""

from django.db import transaction

from ddiweb import clock
from ddiweb.deploy.services import request_deployment
from firewall.models import AddressException, AllowedService


def expire() -> int:
    """Delete what has run out, each with its node's deployment; returns how many."""
    count = 0
    for model in (AllowedService, AddressException):
        ended = model._default_manager.filter(expires_at__lte=clock.now())
        for pk in ended.values_list("pk", flat=True):
            with transaction.atomic():
                row = ended.select_for_update().filter(pk=pk).first()
                if row is None:
                    continue  # somebody has prolonged or deleted it meanwhile
                request_deployment(row.node_id, f"{row._meta.verbose_name} {row} has run out")
                row.delete()
                count += 1
    return count
