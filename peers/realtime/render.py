"""Facts to rows: pure, deterministic, without sockets, clock or database.

Each option is the one that was proved to carry calls and to keep strangers out; where a default of
Asterisk would be dangerous the reason stands beside it.
"""

from collections.abc import Iterator

from peers.realtime import (
    accounts,
    blocks,
    callers,
    hours,
    mailboxes,
    outgoing,
    route_rows,
    trunk_rows,
)
from peers.realtime.facts import Snapshot
from peers.realtime.rows import Row, Rows
from peers.realtime.text import refuse


def render(snapshot: Snapshot) -> Rows:
    """Return all rows of the node. A disabled peer has none: it can neither register nor ring.

    Raises Refused, naming the field, if a fact cannot be a row or points to nothing.
    """
    return Rows.of(_rows(snapshot))


def _rows(snapshot: Snapshot) -> Iterator[Row]:
    for trunk in snapshot.trunks:
        yield from trunk_rows.rows(trunk, snapshot.node)
    for peer in snapshot.peers:
        yield from accounts.rows(peer, snapshot.node.realm)
    for schedule in snapshot.schedules:
        yield from hours.rows(schedule)
    known = route_rows.targets(snapshot)
    schedules = {schedule.key for schedule in snapshot.schedules}
    policies = {policy.key for policy in snapshot.outgoing.policies}
    boxes = {box.key for box in snapshot.mailboxes}
    trunks = {trunk.key for trunk in snapshot.trunks}
    for number in snapshot.numbers:
        if number.trunk_key not in trunks:
            raise refuse(f"number {number.key}", "names an unknown trunk", "choose another")
        for step in number.steps:
            if step.schedule and step.schedule not in schedules:
                where = f"number {number.key} step {step.position}"
                raise refuse(where, "names an unknown schedule", "choose another")
            if step.mailbox and step.mailbox not in boxes:
                where = f"number {number.key} step {step.position}"
                raise refuse(where, "names an unknown mailbox", "choose another")
            if step.policy and step.policy not in policies:
                where = f"number {number.key} step {step.position}"
                raise refuse(where, "names an unknown policy", "choose another")
        yield from route_rows.rows(number, known, callers.longest(number.id, snapshot.callers))
    yield from blocks.rows((n.trunk_key, n.id, n.key, n.last) for n in snapshot.numbers if n.last)
    yield from callers.rows(snapshot.callers)
    yield from callers.names(snapshot.names)
    yield from mailboxes.rows(snapshot.mailboxes)
    yield from outgoing.rows(snapshot.outgoing, trunks)
