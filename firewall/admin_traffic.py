"""The page “Traffic”: what the firewall let in and dropped, by subject, as small charts."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from ddiweb.admin_base import ReadOnlyAdmin
from ddiweb.deploy.models import Node
from firewall import spark, traffic
from firewall.models import TrafficReading, TrafficSample
from firewall.names import Name, Names
from peers.models import Peer, Token, Trunk

SPANS = {"1h": ("1 hour", 3600), "24h": ("24 hours", 86_400), "7d": ("7 days", 7 * 86_400),
         "90d": ("90 days", 90 * 86_400)}  # fmt: skip
#: Kind → heading, what the page says when there is nothing, and a hint.
TABLES = (
    ("drop", "Dropped, by reason", "Nothing was dropped.", ""),
    ("token", "Phones", "No phone showed a token.",
     "Packets that carried a token: registrations and calls, not every packet of a call."),
    ("vendor", "Vendors", "No vendor sent anything.", "Every packet from a vendor's networks."),
    ("exempt", "Exceptions", "", "Every packet from an exception."),
    ("ban", "Bans", "No banned address sent anything.", ""),
    ("jail", "Bans with an end", "", ""),
    ("revoked", "Revoked tokens", "",
     "Packets of connections whose token was revoked; most are counted above as dropped too."),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One subject: name, packets, picture."""

    name: Name
    key: str
    total: int
    picture: SafeString


@dataclass(frozen=True)
class Table:
    """One kind."""

    heading: str
    empty: str
    hint: str
    rows: list[Row]


@admin.register(TrafficSample)
class TrafficAdmin(ReadOnlyAdmin):
    """One page of charts in place of a list of rows."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The charts; single rows say nothing."""
        return obj is None and super().has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The charts of one node over one time."""
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        nodes = list(Node.objects.all())
        wanted = request.GET.get("node", "")
        node = next((one for one in nodes if one.slug == wanted), nodes[0] if nodes else None)
        span = request.GET.get("span", "")
        span = span if span in SPANS else "24h"
        context = self.admin_site.each_context(request) | {
            "title": "Traffic", "opts": TrafficSample._meta, "nodes": nodes, "node": node,
            "spans": [(key, name) for key, (name, _) in SPANS.items()], "span": span,
        }  # fmt: skip
        if node is not None:
            context |= _charts(node, span)
        return TemplateResponse(request, "firewall/traffic.html", context)


def _charts(node: Node, span: str) -> dict[str, Any]:
    title, seconds = SPANS[span]
    chart = traffic.chart(node, int(time.time()) - seconds)
    names = Names(node)
    tables = []
    for kind, heading, empty, hint in TABLES:
        series = chart.of(kind)
        if series or empty:
            rows = [_row(names, one, title) for one in series]
            tables.append(Table(heading, empty, hint, rows))
    drops = chart.of("drop")
    sums = [sum(column) for column in zip(*(one.columns for one in drops), strict=True)]
    total = sum(one.total for one in drops)
    reading = TrafficReading.objects.filter(node=node).first()
    return {
        "tables": tables,
        "total": total,
        "peak": max(sums, default=0),
        "step": chart.step,
        "big": spark.svg(sums, f"{total} packets dropped in {title}", kind="spark-big spark-bad"),
        "read_at": datetime.fromtimestamp(reading.at, UTC) if reading else None,
    }


def _row(names: Names, one: traffic.Series, title: str) -> Row:
    name = names.subject(one.kind, one.key)
    label = f"{name.text}: {one.total} packets in {title}"
    kind = "spark-bad" if one.kind in {"drop", "ban", "jail", "revoked"} else ""
    shown = one.key if one.kind in {"vendor", "exempt"} and name.text != one.key else ""
    return Row(name, shown, one.total, spark.svg(one.columns, label, kind=kind))


def of_peer(peer: Peer) -> dict[str, Any]:
    """The last day of one phone's tokens, for its page."""
    marks = [str(mark) for mark in Token.objects.filter(peer=peer).values_list("mark", flat=True)]
    return _day(peer.node, "token", marks)


def of_trunk(trunk: Trunk) -> dict[str, Any]:
    """The last day of one vendor's networks, for its page."""
    return _day(trunk.node, "vendor", Names(trunk.node).vendor_networks(trunk.pk))


def _day(node: Node, kind: str, keys: list[str]) -> dict[str, Any]:
    found: list[traffic.Series] = []
    if keys:
        since = int(time.time()) - 86_400
        found = traffic.chart(node, since, kind=kind, keys=keys, most=1000).of(kind)
    sums = [sum(column) for column in zip(*(one.columns for one in found), strict=True)]
    total = sum(one.total for one in found)
    return {"total": total, "picture": spark.svg(sums, f"{total} packets in 24 hours")}
