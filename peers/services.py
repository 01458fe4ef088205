"""What people do with peers and tokens. Every change ends in a deployment of its node.

Forms and the API call these; models do no work of their own when they are saved.
"""

import hashlib
import hmac
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

TOKEN_RANDOM = 26  # base32 characters: 130 bits, beyond guessing
LAST_MARK = 2**20 - 1
#: A peer has no more live tokens than this: each one is another secret that can leak.
MOST_LIVE_TOKENS = 4


class TokenError(ValidationError):
    """The wish about a token can't be met; the text says why and what to do."""


def token_digest(value: str) -> str:
    """Key of a token's value for uniqueness, useless without the panel's secret key."""
    return hmac.new(settings.SECRET_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()


def issue_token(peer: Peer, reason: str = "") -> Token:
    """Make a new random token for ``peer``; the caller asks for the deployment.

    Raises TokenError if the peer has too many live ones already, or the node's marks are used up.
    """
    if peer.tokens.filter(state__in=LIVE_TOKEN_STATES).count() >= MOST_LIVE_TOKENS:
        raise TokenError(
            f"{peer} has {MOST_LIVE_TOKENS} live tokens; revoke one, or wait for a grace to end"
        )
    node = Node.objects.select_for_update().get(pk=peer.node_id)
    if node.next_mark > LAST_MARK:
        raise TokenError("this node has issued its last of 1,048,575 tokens; set up a new node")
    Node.objects.filter(pk=node.pk).update(next_mark=F("next_mark") + 1)
    value = node.site_prefix + "".join(secrets.choice(BASE32) for _ in range(TOKEN_RANDOM))
    return Token.objects.create(
        node=node, peer=peer, mark=node.next_mark, value=value, digest=token_digest(value),
        hint=redacted(value), reason=reason,
    )  # fmt: skip


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
def compromised(peers: Iterable[Peer], user: User = None) -> list[Token]:
    """Revoke every token of each peer now, cut their flows and issue new ones.

    The phone is silent until it is given the new token: there is no grace for a thief.
    """
    issued: list[Token] = []
    nodes: set[int] = set()
    for peer in peers:
        _revoke(peer.tokens.filter(state__in=LIVE_TOKEN_STATES), "compromised")
        issued.append(issue_token(peer, "replaces a compromised one"))
        nodes.add(peer.node_id)
    for node_id in sorted(nodes):
        request_deployment(node_id, f"{_tokens(len(issued))} compromised", user, urgent=True)
    return issued


@transaction.atomic
def revoke(tokens: Sequence[Token], user: User = None, reason: str = "revoked by hand") -> int:
    """Revoke these tokens at once, without a replacement; returns how many were still live."""
    rows = Token.objects.filter(pk__in=[token.pk for token in tokens])
    nodes = sorted(set(rows.values_list("node_id", flat=True)))
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
        state=TokenState.CURRENT, seen_at=at
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


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"
