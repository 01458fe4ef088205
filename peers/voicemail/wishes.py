"""What people want done with messages; the node's worker does it (``collect``)."""

from django.db import transaction
from django.db.models import QuerySet

from ddiweb.deploy.models import Node
from peers.models import VoiceMessage


def remove(messages: QuerySet[VoiceMessage]) -> int:
    """Mark ``messages`` to be deleted and wake their nodes' workers; returns how many."""
    from peers.tasks import collect_voicemail

    rows = messages.filter(removing=False)
    nodes = list(Node.objects.filter(mailboxes__messages__in=rows).distinct())
    count = rows.update(removing=True)

    def wake() -> None:
        for node in nodes:
            collect_voicemail.apply_async((node.pk,), queue=node.queue, expires=60)

    # Lost hints do no harm: the clock's next tick sees the rows.
    transaction.on_commit(wake, robust=True)
    return count
