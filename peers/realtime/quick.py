"""The rows' quick lane: phones that were just edited, before the deployment that proves it.

A deployment reads and compares each row of a node: seconds with 100,000 phones. What this writes
grows with the edit alone: the accounts of the phones that somebody edited since the rows in force
were made, compared with the same rows of the database and with no others. Nothing is taken away
here; the deployment behind does that, and finds this part done (docs/adr/0160).
"""

import logging
from datetime import timedelta

from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from peers.models import Peer
from peers.realtime import accounts, peer_snapshot
from peers.realtime.diff import Change, diff
from peers.realtime.rows import Rows
from peers.realtime.store import Store

log = logging.getLogger(__name__)
#: More than this at once are left to the deployment, which writes them no slower.
MOST = 64
#: An edit is dated before its commit, which the deployment before may not have seen.
_MARGIN = timedelta(seconds=30)
_brought: dict[int, tuple[int, frozenset[int]]] = {}  # by node: the fence, and whose rows


def changed(node: Node) -> frozenset[int]:
    """Keys of the phones that were edited since the last deployment began; of a crowd none."""
    last = Deployment.objects.filter(node=node, state=State.DONE).order_by("-pk").first()
    if last is None or last.started_at is None:
        return frozenset()
    edits = Peer.history.filter(node=node, history_date__gte=last.started_at - _MARGIN)
    found = edits.order_by().values_list("id", flat=True).distinct()[: MOST + 1]
    pks = frozenset(found)
    return pks if len(pks) <= MOST else frozenset()


def bring(node: Node, store: Store, fence: int) -> Change:
    """Write their rows that are missing or different, in one transaction; returns what was written.

    Raises as the store.
    """
    pks = changed(node)
    peers = peer_snapshot.take(node, pks)
    wanted = Rows.of(row for peer in peers for row in accounts.rows(peer, node.realm))
    change = diff(wanted, store.read_some(tuple(wanted.by_key)))
    if not change.empty:
        store.write(change, fence, owed=[str(action) for action in change.actions])
        log.info("node %s: %s rows of %s phones in force", node.pk, len(wanted), len(pks))
    _brought[node.pk] = fence, pks
    return change


def brought(node: Node, fence: int) -> frozenset[int]:
    """Keys of the phones whose rows were brought about under this very fence: rules may follow."""
    found, pks = _brought.get(node.pk, (0, frozenset[int]()))
    return pks if found == fence else frozenset()
