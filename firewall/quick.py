"""The quick lane: a few tokens in force, or out of it, before the deployment that proves it.

A rotated token of a phone whose rows are in force needs no row, and a revoked one must wait for
nothing: both are told to the agent at once, without reading what else the node has. The ordinary
deployment runs behind, verifies everything, and finds this part done (docs/adr/0080).
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from ddiweb.deploy.models import Node
from firewall.channel import AgentChannel
from firewall.ruleset.types import Token as TokenRule
from peers.choices import LIVE_TOKEN_STATES, Carrier, TokenState
from peers.models import Token
from peers.realtime import quick as rows

log = logging.getLogger(__name__)
#: More than this at once are left to the deployment, which loads them no slower.
MOST = 64
_ROWS = 500  # of one UPDATE: SQLite takes 32,766 parameters


@dataclass(frozen=True)
class Waiting:
    """Tokens that may come into force at once, and those that have to leave it."""

    fresh: tuple[Token, ...]
    dead: tuple[Token, ...]

    def __bool__(self) -> bool:
        return bool(self.fresh or self.dead)


def waiting(node: Node, peers: Collection[int] = ()) -> Waiting:
    """What the deployment need not be waited for; its cost grows with this alone.

    ``peers``: whose rows are in force since a moment ago.
    """
    fresh = tuple(_fresh(node, peers)[: MOST + 1])
    dead = tuple(_dead(node)[: MOST + 1])
    return Waiting(
        fresh if len(fresh) <= MOST else (),
        dead if len(dead) <= MOST else (),
    )


def run(node: Node, channel: AgentChannel, fence: int) -> None:
    """Bring it about; raises as the agent's ``amend``. The lease's ``fence`` orders it."""
    todo = waiting(node, rows.brought(node, fence))
    if not todo:
        return
    rules = [TokenRule(mark=token.mark, value=token.value) for token in todo.fresh]
    channel.amend(rules, [token.mark for token in todo.dead], fence)
    pks = [token.pk for token in todo.fresh]
    Token.objects.filter(pk__in=pks, state__in=LIVE_TOKEN_STATES).update(in_force=True)
    gone = [token.pk for token in todo.dead if token.in_force]
    Token.objects.filter(pk__in=gone).update(in_force=False)
    log.info("node %s: %s in force, %s out of it", node.pk, len(pks), len(todo.dead))


def unsettled(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows that are in force by the node's next intent and do not say so, and the other way."""
    live = Q(state__in=LIVE_TOKEN_STATES, peer__enabled=True)
    every = Token.objects.filter(node=node).order_by("pk").values_list("pk", flat=True)
    return (
        tuple(every.filter(live, in_force=False)),
        tuple(every.filter(in_force=True).exclude(live)),
    )


def settle(brought: Sequence[int], dropped: Sequence[int]) -> None:
    """Note what a deployment has proved; a token that was revoked since stays as it is."""
    for pks, state in ((brought, True), (dropped, False)):
        for start in range(0, len(pks), _ROWS):
            some = Token.objects.filter(pk__in=pks[start : start + _ROWS])
            if state:
                some = some.filter(state__in=LIVE_TOKEN_STATES)
            some.update(in_force=state)


def _fresh(node: Node, peers: Collection[int]) -> "QuerySet[Token]":
    """Tokens of phones whose rows are in force, for rows come before rules (docs/adr/0003).

    They are if another token of the phone is, unless this one is the account's name; or if the
    rows' own quick lane brought them just now (docs/adr/0160).
    """
    others = Token.objects.filter(peer=OuterRef("peer"), in_force=True)
    known = Q(Exists(others), state=TokenState.ISSUED) & ~Q(peer__carrier=Carrier.USERNAME)
    mine = Q(peer__in=peers, state__in=LIVE_TOKEN_STATES)
    waiting = Token.objects.filter(node=node, in_force=False, peer__enabled=True)
    return waiting.filter(known | mine).order_by("pk")


def _dead(node: Node) -> "QuerySet[Token]":
    """Revoked tokens that are not proved cut, and tokens in force of peers that are off."""
    revoked = Q(state=TokenState.REVOKED, cut_at__isnull=True)
    off = Q(in_force=True, peer__enabled=False)
    return Token.objects.filter(revoked | off, node=node).order_by("pk")
