"""Counters as time series: what rose between two readings of a node's agent, kept for 90 days.

Intervals are some 30 s long for a day, then whole hours.
"""

import heapq
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from ddiweb.deploy.models import Node
from firewall.traffic_models import TrafficReading, TrafficSample

HOUR = 3600
FINE_SECONDS = 24 * HOUR  # how long each reading's own interval is kept
KEEP_SECONDS = 90 * 24 * HOUR
#: Subjects of a kind that one reading keeps apart; the packets of all others are one subject.
MOST_SUBJECTS = 1000
OTHERS = "…"
#: Seconds of a chart's columns; the first that needs no more than `MOST_COLUMNS` is taken.
STEPS = (30, 60, 300, 900, HOUR, 6 * HOUR, 24 * HOUR)
MOST_COLUMNS = 96

Totals = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Series:
    """Packets of one subject by column, the oldest first."""

    kind: str
    key: str
    total: int
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """Series over one time: `start` and `step` in seconds, the busiest of each kind first."""

    start: int
    step: int
    series: tuple[Series, ...]

    def of(self, kind: str) -> list[Series]:
        """The series of one kind."""
        return [one for one in self.series if one.kind == kind]


def record(node: Node, reading: Mapping[str, Any], now: float | None = None) -> int:
    """Store what rose since the reading before; returns the packets.

    The agent's totals only grow within an epoch; a new epoch has counted from 0. Two workers with
    the same reading store it once.
    """
    at = int(time.time() if now is None else now)
    epoch, totals = str(reading["epoch"]), reading["totals"]
    with transaction.atomic():
        Node.objects.select_for_update().filter(pk=node.pk).first()
        last = TrafficReading.objects.filter(node=node).first()
        if last is not None and last.at >= at:
            return 0
        before: Totals = last.totals if last is not None and last.epoch == epoch else {}
        span = min(at - last.at, HOUR) if last is not None else 30
        rows = [
            TrafficSample(node=node, at=at, span=span, kind=kind, key=key, packets=packets)
            for kind, found in totals.items()
            for key, packets in _most(_risen(found, before.get(kind, {})))
        ]
        TrafficSample.objects.bulk_create(rows, batch_size=500)
        TrafficReading.objects.update_or_create(
            node=node, defaults={"at": at, "epoch": epoch, "totals": totals}
        )
    return sum(row.packets for row in rows)


def _risen(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {key: n - before.get(key, 0) for key, n in now.items() if n > before.get(key, 0)}


def _most(risen: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    if len(risen) <= MOST_SUBJECTS:
        return risen.items()
    kept = heapq.nlargest(MOST_SUBJECTS, risen.items(), key=lambda one: one[1])
    rest = sum(risen.values()) - sum(packets for _, packets in kept)
    return [*kept, (OTHERS, rest)]


def roll_up(now: float | None = None) -> int:
    """Join the intervals of past days to hours, forget what is too old; returns rows that went."""
    at = int(time.time() if now is None else now)
    gone = TrafficSample.objects.filter(at__lte=at - KEEP_SECONDS).delete()[0]
    fine = TrafficSample.objects.filter(span__lt=HOUR)
    edge = (at - FINE_SECONDS) // HOUR * HOUR
    while True:
        oldest = fine.filter(at__lte=edge).order_by("at").values_list("at", flat=True).first()
        if oldest is None:
            return gone
        end = -(-oldest // HOUR) * HOUR  # the hour that `oldest` lies in, by its end
        gone += _join(TrafficSample.objects.filter(at__gt=end - HOUR, at__lte=end), end)


def _join(rows: Any, end: int) -> int:
    """One hour's rows become one a subject; returns how many fewer they are."""
    with transaction.atomic():
        sums = rows.order_by().values("node_id", "kind", "key").annotate(packets=Sum("packets"))
        made = [TrafficSample(at=end, span=HOUR, **one) for one in sums]
        count: int = rows.delete()[0]
        TrafficSample.objects.bulk_create(made, batch_size=500)
    return count - len(made)


def chart(
    node: Node,
    since: int,
    *,
    until: int | None = None,
    kind: str = "",
    keys: Iterable[str] = (),
    most: int = 20,
) -> Chart:
    """The busiest `most` subjects of each kind from `since` on (Unix time, s), in equal columns."""
    until = int(time.time()) if until is None else until
    since = min(since, until - STEPS[0])
    step = next((s for s in STEPS if (until - since) <= s * MOST_COLUMNS), STEPS[-1])
    start = since // step * step
    rows = TrafficSample.objects.filter(node=node, at__gt=start, at__lte=until)
    if kind:
        rows = rows.filter(kind=kind)
    if keys := list(keys):
        rows = rows.filter(key__in=keys)
    totals: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for one in rows.order_by().values("kind", "key").annotate(total=Sum("packets")):
        totals[one["kind"]].append((one["total"], one["key"]))
    count = -(-(until - start) // step)
    series = []
    for name, found in sorted(totals.items()):
        busiest = sorted(found, key=lambda one: (-one[0], one[1]))[:most]
        columns = _columns(rows.filter(kind=name), [key for _, key in busiest], start, step, count)
        series += [Series(name, key, total, tuple(columns[key])) for total, key in busiest]
    return Chart(start, step, tuple(series))


def _columns(rows: Any, keys: list[str], start: int, step: int, count: int) -> dict[str, list[int]]:
    found = {key: [0] * count for key in keys}
    # A row that ends on a column's edge belongs to the column before it.
    wanted = rows.filter(key__in=keys).order_by().annotate(column=(F("at") - 1 - start) / step)
    for one in wanted.values("key", "column").annotate(total=Sum("packets")):
        found[one["key"]][int(one["column"])] += one["total"]
    return found
