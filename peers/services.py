"""What people do with peers and tokens. Every change ends in a deployment of its node.

Forms and the API call these; models do no work of their own when they are saved.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from ddiweb import clock
from ddiweb.deploy.models import BASE32, Node
from ddiweb.deploy.services import User, request_deployment
from ddiweb.redact import redacted
from peers.choices import LIVE_TOKEN_STATES, TokenState
from peers.models import Peer, Token
from peers.tls_models import ProvisioningLink

log = logging.getLogger(__name__)

TOKEN_RANDOM = 26  # base32 characters: 130 bits, beyond guessing
LAST_MARK = 2**20 - 1
#: A mark rests so long after its flows were cut. The kernel forgets a silent UDP flow after minutes
#: and a TCP one after 5 days (nf_conntrack_tcp_timeout_established).
MARK_RESTS = timedelta(days=6)
#: A peer has no more live tokens than this: each one is another secret that can leak.
MOST_LIVE_TOKENS = 4


class TokenError(ValidationError):
    """The wish about a token can't be met; the text says why and what to do."""


def token_digest(value: str) -> str:
    """Key of a token's value for uniqueness, useless without the panel's secret key."""
    return hmac.new(settings.SECRET_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()


def issue_token(peer: Peer, reason: str = "") -> Token:
    """Make a new random token for ``peer``; the caller asks for the deployment.

    Raises TokenError if the peer has too many live ones already, or no mark is free.
    """
    if peer.tokens.filter(state__in=LIVE_TOKEN_STATES).count() >= MOST_LIVE_TOKENS:
        raise TokenError(
            f"{peer} has {MOST_LIVE_TOKENS} live tokens; revoke one, or wait for a grace to end"
        )
    node = Node.objects.select_for_update().get(pk=peer.node_id)
    mark = _free_mark(node)
    value = node.site_prefix + "".join(secrets.choice(BASE32) for _ in range(TOKEN_RANDOM))
    return Token.objects.create(
        node=node, peer=peer, mark=mark, value=value, digest=token_digest(value),
        hint=redacted(value), reason=reason,
    )  # fmt: skip


def _free_mark(node: Node) -> int:
    """Take a mark that no flow carries; ``node`` is locked. Raises TokenError if there is none.

    Marks are given out once each. After the last one, the mark that rests longest since its flows
    were proved cut is taken: no rule has named it since, and its conntrack entries are gone.
    """
    if node.next_mark <= LAST_MARK:
        Node.objects.filter(pk=node.pk).update(next_mark=F("next_mark") + 1)
        return node.next_mark
    rested = Token.objects.filter(
        node=node, state=TokenState.REVOKED, mark_given_back=False,
        # Of that generation the rules still list the mark as revoked.
        cut_generation__lt=node.generation, cut_at__lte=clock.now() - MARK_RESTS,
    ).order_by("cut_at", "pk")  # fmt: skip
    for token in rested[:1]:
        Token.objects.filter(pk=token.pk).update(mark_given_back=True)
        return token.mark
    raise TokenError(
        f"all {LAST_MARK:,} marks of this node are taken; one is free {MARK_RESTS.days} days "
        "after the flows of its token were cut: revoke tokens that nobody uses, and wait"
    )


@transaction.atomic
def peer_created(peer: Peer, user: User = None) -> Token:
    """Give a new peer its first token and bring both into force."""
    token = issue_token(peer, "first")
    request_deployment(peer.node_id, f"peer {peer.name} added", user)
    return token


@transaction.atomic
def rotate(
    peers: Iterable[Peer], user: User = None, *, grace: timedelta | None = None
) -> list[Token]:
    """Issue a new token to each peer; the old ones stay accepted until ``grace`` ends.

    ``grace`` defaults to ``DDIWEB_TOKEN_GRACE_HOURS``. Returns the new tokens.
    """
    until = clock.now() + (timedelta(hours=settings.TOKEN_GRACE_HOURS) if grace is None else grace)
    issued: list[Token] = []
    nodes: set[int] = set()
    for peer in peers:
        old = peer.tokens.filter(state__in=LIVE_TOKEN_STATES)
        # A grace that ends sooner already stays: rotating again must not prolong an old secret.
        old.filter(Q(grace_until__isnull=True) | Q(grace_until__gt=until)).update(grace_until=until)
        issued.append(issue_token(peer, "rotated"))
        nodes.add(peer.node_id)
    for node_id in sorted(nodes):
        request_deployment(node_id, f"{_tokens(len(issued))} rotated", user)
    return issued


@transaction.atomic
def compromised(peers: Sequence[Peer], user: User = None) -> list[Token]:
    """Revoke every token of each peer now, cut their flows and issue new ones.

    The phone is silent until it is given the new token: there is no grace for a thief. Returns
    the new tokens. A peer that can't be given one, because no mark is free, is cut off all the
    same: nothing may keep a thief in.
    """
    issued: list[Token] = []
    nodes: set[int] = set()
    for peer in peers:
        _revoke(peer.tokens.filter(state__in=LIVE_TOKEN_STATES), "compromised")
        # An unused link would hand the thief the token that replaces the stolen one.
        peer.links.filter(used_at__isnull=True).delete()
        nodes.add(peer.node_id)
        try:
            issued.append(issue_token(peer, "replaces a compromised one"))
        except TokenError as error:
            log.error("%s is cut off and has no new token: %s", peer.key, error)
    for node_id in sorted(nodes):
        request_deployment(
            node_id, f"tokens of {_phones(len(peers))} compromised", user, urgent=True
        )
    return issued


@transaction.atomic
def revoke(tokens: Sequence[Token], user: User = None, reason: str = "revoked by hand") -> int:
    """Revoke these tokens at once, without a replacement; returns how many were still live."""
    rows = Token.objects.filter(pk__in=[token.pk for token in tokens])
    nodes = sorted(set(rows.values_list("node_id", flat=True)))
    peers = list(rows.values_list("peer", flat=True))
    ProvisioningLink.objects.filter(peer__in=peers, used_at__isnull=True).delete()
    count = _revoke(rows.filter(state__in=LIVE_TOKEN_STATES), reason)
    for node_id in nodes if count else ():
        request_deployment(node_id, f"{_tokens(count)} revoked", user, urgent=True)
    return count


def _revoke(tokens: models.QuerySet[Token], reason: str) -> int:
    return tokens.update(
        state=TokenState.REVOKED, revoked_at=timezone.now(), reason=reason, grace_until=None
    )


@transaction.atomic
def delete_peers(peers: Iterable[Peer], user: User = None) -> int:
    """Delete peers; their tokens are revoked first and outlive them until their flows are cut."""
    rows = list(peers)
    for peer in rows:
        _revoke(peer.tokens.filter(state__in=LIVE_TOKEN_STATES), "peer deleted")
    Peer.objects.filter(pk__in=[peer.pk for peer in rows]).delete()
    for node_id in sorted({peer.node_id for peer in rows}):
        request_deployment(
            node_id,
            f"{len(rows)} {'peer' if len(rows) == 1 else 'peers'} deleted",
            user,
            urgent=True,
        )
    return len(rows)


@transaction.atomic
def token_seen(token: Token, at: datetime) -> bool:
    """Note that a phone registered with ``token``; returns whether that was news.

    A newly seen token becomes current; the older ones of its peer begin to retire. No rule
    changes: they stay accepted until their grace ends.
    """
    first = Token.objects.filter(pk=token.pk, state=TokenState.ISSUED).update(
        state=TokenState.CURRENT, seen_at=at, current_at=at
    )
    if not first:
        Token.objects.filter(pk=token.pk, state__in=LIVE_TOKEN_STATES).update(seen_at=at)
        return False
    Token.objects.filter(
        peer=token.peer, pk__lt=token.pk,
        state__in=[TokenState.ISSUED, TokenState.CURRENT],
    ).update(state=TokenState.RETIRING)  # fmt: skip
    return True


@transaction.atomic
def expire_tokens(now: datetime | None = None) -> int:
    """Revoke the tokens whose grace has ended; returns how many."""
    due = Token.objects.filter(state__in=LIVE_TOKEN_STATES, grace_until__lte=now or clock.now())
    nodes = sorted(set(due.values_list("node_id", flat=True)))
    count = _revoke(due, "grace ended")
    for node_id in nodes:
        request_deployment(node_id, f"grace of {_tokens(count)} ended", urgent=True)
    return count


def _phones(count: int) -> str:
    return "1 phone" if count == 1 else f"{count} phones"


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"
