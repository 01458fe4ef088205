"""A token that seems to have leaked is shut out, and only that one."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from peers import services
from peers.choices import LeakKind
from peers.leak_models import TokenLeak
from peers.models import Token

REASON = "suspected leaked"
#: Places that are kept of what was seen.
MOST_PLACES = 50


@transaction.atomic
def quarantine(token: Token, kind: LeakKind, places: Sequence[str]) -> TokenLeak | None:
    """Revoke ``token`` at once and note what was seen; None if it was revoked before.

    No new one is issued: whoever reads the old one on the wire might read the new one too, so a
    person decides.
    """
    if token.peer_id is None or not services.revoke([token], reason=REASON):
        return None
    return TokenLeak.objects.create(
        node_id=token.node_id, peer_id=token.peer_id, token=token, hint=token.hint, kind=kind,
        places=list(places[:MOST_PLACES]), at=timezone.now(),
    )  # fmt: skip
