"""Outgoing policies, toll limits and their alarms in the panel (registered by ``peers.admin``)."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from ddiweb.admin_base import DeployingAdmin, PlainFields, ReadOnlyAdmin
from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.live.names import label_column
from peers.models import OutgoingPolicy, OutgoingPrefix, OutgoingTrunk, TollAlarm, TrunkToll
from peers.numbering.zones import origin, zones
from peers.outgoing_forms import (
    OutgoingPolicyForm,
    OutgoingPrefixForm,
    OutgoingTrunkForm,
    OutgoingTrunkFormSet,
    TrunkTollForm,
)
from peers.realtime.outgoing import TRUNKS_MAX


class OutgoingTrunkInline(PlainFields, admin.TabularInline):
    """By which vendors calls go out."""

    model = OutgoingTrunk
    form = OutgoingTrunkForm
    formset = OutgoingTrunkFormSet
    verbose_name = "trunk"
    verbose_name_plural = "Trunks: the next is tried if one can't place the call, not if it is busy"
    extra = 0
    max_num = TRUNKS_MAX

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty row for a new policy."""
        return 0 if obj else 1


class OutgoingPrefixInline(PlainFields, admin.TabularInline):
    """Numbers beside the countries."""

    model = OutgoingPrefix
    form = OutgoingPrefixForm
    verbose_name = "prefix"
    verbose_name_plural = "Prefixes: allowed or refused beside the countries; the longest decides"
    extra = 0
    max_num = 200


@admin.register(OutgoingPolicy)
class OutgoingPolicyAdmin(DeployingAdmin):
    """Where phones may call."""

    form = OutgoingPolicyForm
    fixed = ("node",)
    inlines = (OutgoingTrunkInline, OutgoingPrefixInline)
    list_display = ("name", "where", "number", "phones", "node")
    list_filter = ("node",)
    search_fields = ("name", "number__e164")
    list_select_related = ("node", "number")
    fieldsets = (
        (None, {"fields": ("node", "name", "country", "number")}),
        ("Where to", {"fields": ("zones", "premium")}),
        (
            "How much, for each phone",
            {
                "fields": (
                    ("calls_max", "calls_a_minute"),
                    ("minutes_a_day", "longest_call"),
                    "money_a_day",
                ),
                "description": "Asterisk itself counts and cuts, also while this panel is down. "
                "A day is one of UTC.",
            },
        ),
        ("Emergency", {"fields": ("emergency_trunk", "emergency_more")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutgoingPolicy]:
        """Policies with the count of their phones."""
        rows: QuerySet[OutgoingPolicy] = super().get_queryset(request)
        return rows.annotate(phones_count=Count("peers", distinct=True))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Say where the list of countries is from."""
        source, date = origin()
        text = f"Prefixes and emergency numbers: {source}, read {date}."
        return [
            (name, options | {"description": text} if name == "Where to" else options)
            for name, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description="where to")
    def where(self, policy: OutgoingPolicy) -> str:
        """The first countries by name."""
        known = zones()
        names = [known[key].name for key in policy.zones if key in known]
        if not names:
            return pill("quiet", "nowhere")
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        premium = ", premium too" if policy.premium else ""
        return f"{', '.join(names[:3])}{more}{premium}"

    @admin.display(description="phones", ordering="phones_count")
    def phones(self, policy: OutgoingPolicy) -> int:
        """How many have it."""
        return int(getattr(policy, "phones_count", 0))


@admin.register(TrunkToll)
class TrunkTollAdmin(DeployingAdmin):
    """What a trunk's outgoing calls may use together."""

    form = TrunkTollForm
    fixed = ("trunk",)
    list_display = ("trunk", "calls_max", "calls_a_minute", "minutes_a_day", "money_a_day", "known")
    list_filter = ("trunk__node",)
    search_fields = ("trunk__name",)
    list_select_related = ("trunk__node",)
    fieldsets = (
        (None, {"fields": ("trunk",)}),
        (
            "Limits",
            {"fields": (("calls_max", "calls_a_minute"), ("minutes_a_day", "money_a_day"))},
        ),
        ("Rates", {"fields": ("known", "rates_file")}),
    )
    readonly_fields = ("known",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrunkToll]:
        """Limits with the count of their rates."""
        rows: QuerySet[TrunkToll] = super().get_queryset(request)
        return rows.annotate(rates_count=Count("rates", distinct=True))

    @admin.display(description="rates", ordering="rates_count")
    def known(self, toll: TrunkToll) -> str:
        """How many there are."""
        count = int(getattr(toll, "rates_count", 0))
        return f"{count} prefixes" if count else "none yet"

    def node_ids(self, obj: TrunkToll) -> Iterable[int]:
        """The node of its trunk."""
        return [obj.trunk.node_id]


@admin.register(TollAlarm)
class TollAlarmAdmin(ReadOnlyAdmin):
    """Caps that were reached, as Asterisk noted them."""

    list_display = ("who_it_is", "words", "times", "last", "node")
    list_filter = ("cap", "node")
    search_fields = ("who",)
    list_select_related = ("node",)
    fields = ("node", "who", "words", "times", "last_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TollAlarm]:
        """Alarms with people's names for phones and trunks."""
        rows: QuerySet[TollAlarm] = super().get_queryset(request)
        return rows.annotate(label=label_column("who"))

    @admin.display(description="phone or trunk", ordering="who")
    def who_it_is(self, alarm: TollAlarm) -> str:
        """The peer's or trunk's own name."""
        return str(getattr(alarm, "label", alarm.who))

    @admin.display(description="what")
    def words(self, alarm: TollAlarm) -> str:
        """The cap."""
        return pill("warn", alarm.what)

    @admin.display(description="last", ordering="last_at")
    def last(self, alarm: TollAlarm) -> str:
        """How long ago."""
        return ago(alarm.last_at)
