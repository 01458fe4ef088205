"""What shows that a phone has its new token, and what each witness may change.

Asterisk (the watch): a contact, so a REGISTER with the right password, that shows the token in its
User-Agent, its URI or its account's name. That alone makes the token current.

The kernel (the agent's counters): packets that carried the token. Anybody may have sent those, so
by itself a count changes nothing but ``heard_at``. It makes a token current only together with a
REGISTER that succeeded while no other token of the phone was heard: every REGISTER carries a
token, so that one carried this. It is the only witness of a parameter of the Contact, which
Asterisk doesn't show.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ddiweb.deploy.models import Node
from ddiweb.live.models import Contact
from peers import services
from peers.choices import LIVE_TOKEN_STATES, TokenState
from peers.models import Token

#: A REGISTER is taken for the token's own if it came at most so long before the look …
REGISTERED_WITHIN = timedelta(seconds=75)
#: … and no other token of the phone was heard for so long: more than a look, and a late one, apart.
OTHERS_QUIET_FOR = timedelta(seconds=150)


def heard(node: Node, packets: Mapping[int, int], now: datetime) -> int:
    """Take the kernel's counts of ``node`` by mark; returns how many tokens became current.

    A count that fell began anew (another agent, another ruleset): all of it is news then.
    """
    live = Token.objects.filter(node=node, state__in=LIVE_TOKEN_STATES).select_related("peer")
    risen = []
    for token in live.defer("value"):
        count = packets.get(token.mark, 0)
        if count == token.packets:
            continue
        changes: dict[str, object] = {"packets": count}
        if count:
            changes["heard_at"] = now
        Token.objects.filter(pk=token.pk, packets=token.packets).update(**changes)
    for token in live.filter(state=TokenState.ISSUED, heard_at__gte=now - REGISTERED_WITHIN):
        risen.append(token)
    return sum(services.token_seen(token, now) for token in risen if _proved(token, now))


def _proved(token: Token, now: datetime) -> bool:
    """Whether a REGISTER that succeeded lately can have carried no other token than this."""
    others = Token.objects.filter(peer=token.peer_id).exclude(pk=token.pk)
    if others.filter(heard_at__gt=now - OTHERS_QUIET_FOR).exists() or token.peer is None:
        return False
    return Contact.objects.filter(
        node=token.node_id, endpoint=token.peer.key, refreshed_at__gt=now - REGISTERED_WITHIN
    ).exists()


@transaction.atomic
def end_quiet_graces(now: datetime) -> int:
    """Revoke retiring tokens that nobody used since the phone has its new one; returns how many.

    Off unless ``DDIWEB_TOKEN_RETIRE_HOURS`` says after how many hours: the phone must have shown
    the newer token to Asterisk for so long and again within it, and neither witness the older one.
    """
    if not settings.TOKEN_RETIRE_HOURS:
        return 0
    since = now - timedelta(hours=settings.TOKEN_RETIRE_HOURS)
    settled = Token.objects.filter(
        state=TokenState.CURRENT, current_at__lte=since, seen_at__gt=since
    ).values("peer")
    quiet = (Q(seen_at__isnull=True) | Q(seen_at__lte=since)) & (
        Q(heard_at__isnull=True) | Q(heard_at__lte=since)
    )
    due = list(
        Token.objects.filter(
            quiet, state=TokenState.RETIRING, peer__in=settled, issued_at__lte=since
        )
    )
    for node_id in sorted({token.node_id for token in due}):
        mine = [token for token in due if token.node_id == node_id]
        services.revoke(mine, reason="the phone has its new one")
    return len(due)
