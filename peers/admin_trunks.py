"""Trunks and numbers in the panel (registered by ``peers.admin``)."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from ddiweb.admin_base import DeployingAdmin, PlainFields
from peers import rules
from peers.choices import StepKind
from peers.forms import TrunkForm, TrunkNetworkForm, TrunkNetworkFormSet
from peers.models import Number, Step, Trunk, TrunkNetwork
from peers.route_forms import NumberForm, StepForm, StepFormSet, offer_peers


class TrunkNetworkInline(PlainFields, admin.TabularInline):
    """From where the vendor's packets come."""

    model = TrunkNetwork
    form = TrunkNetworkForm
    formset = TrunkNetworkFormSet
    verbose_name_plural = "Networks: from where the vendor's calls and audio come"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty row for a new trunk."""
        return 0 if obj else 1


@admin.register(Trunk)
class TrunkAdmin(DeployingAdmin):
    """A vendor's service with its networks."""

    form = TrunkForm
    fixed = ("node",)
    inlines = (TrunkNetworkInline,)
    list_display = ("name", "node", "addresses", "register", "host", "lines", "enabled")
    list_filter = ("enabled", "register", "node")
    search_fields = ("name", "host", "username", "networks__cidr", "numbers__e164")
    list_select_related = ("node",)
    fieldsets = (
        (None, {"fields": ("node", "name", "enabled")}),
        (
            "Registration",
            {
                "fields": ("register", ("host", "port"), "username", "password", "qualify"),
                "description": "Leave it off if the vendor sends calls to this server's address "
                "without a registration; then only the networks below matter.",
            },
        ),
        ("Sound", {"fields": ("codecs",), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trunk]:
        """Trunks with their networks and the count of their numbers."""
        trunks: QuerySet[Trunk] = super().get_queryset(request).prefetch_related("networks")
        counted: QuerySet[Trunk] = trunks.annotate(numbers_count=Count("numbers", distinct=True))
        return counted

    @admin.display(description="networks")
    def addresses(self, trunk: Trunk) -> str:
        """The first three, and how many more."""
        networks = [network.cidr for network in trunk.networks.all()]
        more = f" and {len(networks) - 3} more" if len(networks) > 3 else ""
        return ", ".join(networks[:3]) + more or "none: no call can come in"

    @admin.display(description="numbers", ordering="numbers_count")
    def lines(self, trunk: Trunk) -> int:
        """How many numbers come in over it."""
        return int(getattr(trunk, "numbers_count", 0))

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Warn of what is allowed and probably not meant."""
        super().after_save(request, obj, change=change)
        cidrs = list(obj.networks.values_list("cidr", flat=True))
        if obj.enabled and not cidrs:
            text = "The trunk has no networks: its calls can't come in. Add the vendor's addresses."
            messages.warning(request, text)
        for cidr, manager in management_overlaps(obj.node_id, cidrs):
            messages.warning(
                request,
                f"{cidr} overlaps the management network {manager}: those addresses are let in "
                "both as a vendor and as administrators. Make sure that this is meant.",
            )


def management_overlaps(node_id: int, cidrs: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a trunk's and a management network of the node that share an address."""
    from firewall.models import ManagementNetwork

    managers = ManagementNetwork.objects.filter(node_id=node_id).values_list("cidr", flat=True)
    return [(cidr, other) for cidr in cidrs for other in managers if rules.overlaps(cidr, other)]


class StepInline(PlainFields, admin.StackedInline):
    """The route, first step to last."""

    model = Step
    form = StepForm
    formset = StepFormSet
    fieldsets = ((None, {"fields": (("place", "kind", "timeout", "cause"), "peers")}),)
    verbose_name = "step"
    verbose_name_plural = "Route: what happens when somebody calls"
    max_num = rules.MOST_STEPS

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty step for a new number."""
        return 0 if obj and obj.steps.exists() else 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        """Steps with their peers."""
        return super().get_queryset(request).prefetch_related("peers")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Offer the peers of the number's node."""
        formset = super().get_formset(request, obj, **kwargs)
        if "peers" in formset.form.base_fields:
            offer_peers(formset.form, obj)
        return formset


@admin.register(Number)
class NumberAdmin(DeployingAdmin):
    """A DDI with its route."""

    form = NumberForm
    inlines = (StepInline,)
    list_display = ("e164", "label", "route", "trunk", "node", "enabled")
    list_filter = ("enabled", "trunk", "trunk__node")
    search_fields = ("e164", "label", "trunk__name", "steps__peers__name")
    list_select_related = ("trunk__node",)
    fieldsets = ((None, {"fields": ("trunk", "e164", "label", "enabled")}),)

    def node_ids(self, obj: Any) -> Iterable[int]:
        """The node of its trunk."""
        return [obj.trunk.node_id]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Number]:
        """Numbers with their routes."""
        return super().get_queryset(request).prefetch_related("steps__peers")

    @admin.display(description="node", ordering="trunk__node")
    def node(self, number: Number) -> str:
        """Where it comes in."""
        return str(number.trunk.node)

    @admin.display(description="route")
    def route(self, number: Number) -> str:
        """The route in a line: ``Ada, Bob 25 s → Busy``."""
        parts = []
        for step in number.steps.all():
            if step.kind == StepKind.RING:
                names = " + ".join(peer.name for peer in step.peers.all()) or "nobody"
                parts.append(f"{names} for {step.timeout} s")
            else:
                parts.append(step.get_cause_display())
        return " → ".join(parts) or "none"
