"""Trunks in the panel (registered by ``peers.admin``)."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ddiweb.admin_base import DeployingAdmin, PlainFields
from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.live.standing import trunk_standing
from peers import rules, vendor_lookups
from peers.forms import (
    TrunkForm,
    TrunkHostForm,
    TrunkHostFormSet,
    TrunkNetworkForm,
    TrunkNetworkFormSet,
    TrunkServerFormSet,
)
from peers.models import Trunk, TrunkHost, TrunkNetwork, TrunkServer
from peers.presets import Preset, preset, presets
from peers.vendor_addresses import Shown, judgement, shown
from peers.vendor_names import Judgement


def chosen_preset(request: HttpRequest) -> Preset | None:
    """The preset with which a new trunk's form begins."""
    return preset(request.GET.get("preset", "")) if request.method == "GET" else None


class TrunkNetworkInline(PlainFields, admin.TabularInline):
    """From where the vendor's packets come."""

    model = TrunkNetwork
    form = TrunkNetworkForm
    formset = TrunkNetworkFormSet
    verbose_name_plural = "Networks: from where the vendor's calls and audio come"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty row for a new trunk, or those of its preset."""
        chosen = chosen_preset(request)
        return 0 if obj else len(chosen.networks) if chosen and chosen.networks else 1


class TrunkHostInline(PlainFields, admin.TabularInline):
    """The vendor's names, with what they lead to."""

    model = TrunkHost
    form = TrunkHostForm
    formset = TrunkHostFormSet
    fields = ("name", "kind", "note", "leads_to", "lookup")
    readonly_fields = ("leads_to", "lookup")
    verbose_name = "name"
    verbose_name_plural = "Names: hosts that are looked up again and again"
    extra = 0
    max_num = rules.MOST_HOSTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrunkHost]:
        """Names with their addresses."""
        rows: QuerySet[TrunkHost] = super().get_queryset(request)
        return rows.select_related("trunk__node").prefetch_related("addresses")

    @cached_property
    def _judged(self) -> dict[int, Judgement]:
        return {}

    @admin.display(description="leads to")
    def leads_to(self, host: TrunkHost) -> str | SafeString:
        """Each address with its state."""
        if not host.pk:
            return "looked up within a minute after it is saved"
        node = host.trunk.node
        if node.pk not in self._judged:
            self._judged[node.pk] = judgement(node)
        rows = [
            shown(row, self._judged[node.pk], enabled=host.trunk.enabled)
            for row in host.addresses.all()
        ]
        if not rows:
            return "nothing yet"
        lines = ((row.address, address_state(row), row.via) for row in rows)
        return format_html_join("", '<div><span class="mono">{}</span> {} {}</div>', lines)

    @admin.display(description="last looked up")
    def lookup(self, host: TrunkHost) -> str | SafeString:
        """When, and what was wrong with it since when."""
        if not host.pk:
            return ""
        if not host.last_error:
            return ago(host.checked_at)
        line = (pill("warn", f"failing, began {ago(host.failing_since)}"), host.last_error)
        return format_html_join("", "{} {}; what was known is kept", [line])


def address_state(row: Shown) -> SafeString:
    """Whether packets from a resolved address are let in, as a coloured word."""
    if row.state == "refused":
        return pill("bad", f"not let in: {row.note}")
    if row.state == "grace":
        return pill("warn", f"no longer named; let in until {ago(row.expires_at)}")
    return pill("good", "let in")


class TrunkServerInline(PlainFields, admin.TabularInline):
    """Where else calls go."""

    model = TrunkServer
    formset = TrunkServerFormSet
    fields = ("host", "port", "priority")
    verbose_name = "host"
    verbose_name_plural = "Further hosts: when the first is down, or to share the calls with it"
    max_num = rules.MOST_SERVERS

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """None, or those of a new trunk's preset."""
        chosen = chosen_preset(request)
        return len(chosen.servers) if chosen and not obj else 0


@admin.register(Trunk)
class TrunkAdmin(DeployingAdmin):
    """A vendor's service with its networks."""

    form = TrunkForm
    fixed = ("node",)
    readonly_fields = ("standing",)
    inlines = (TrunkNetworkInline, TrunkHostInline, TrunkServerInline)
    list_display = ("name", "node", "addresses", "register", "host", "lines", "enabled")
    list_filter = ("enabled", "register", "node")
    search_fields = ("name", "host", "username", "networks__cidr", "hosts__name", "numbers__e164")
    list_select_related = ("node",)
    fieldsets = (
        (None, {"fields": ("node", "name", "enabled")}),
        (
            "The vendor's server",
            {
                "fields": (
                    *("register", ("host", "port", "transport"), "username", "password"),
                    *("qualify", ("proxy", "proxy_port"), "from_domain"),
                ),
                "description": "Leave registration off if the vendor sends calls to this server's "
                "address without it; then the networks below matter. Both together are fine.",
            },
        ),
        (
            "Numbers",
            {
                "fields": (
                    *("ddi_header", "country", ("number_in", "prefix_in")),
                    *(("number_out", "prefix_out"), ("national_prefix", "international_prefix")),
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "Callers and limits",
            {"fields": (("caller_in", "caller_out"), "channels_max"), "classes": ("collapse",)},
        ),
        ("Sound", {"fields": ("codecs", "dtmf", "srtp"), "classes": ("collapse",)}),
        ("Names: private addresses", {"fields": ("private_allowed",), "classes": ("collapse",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A trunk that is there also shows how it stands."""
        found = super().get_fieldsets(request, obj)
        if obj is None:
            return found
        return [(None, {"fields": ("node", "name", "enabled", "standing")}), *found[1:]]

    @admin.display(description="state")
    def standing(self, trunk: Trunk) -> SafeString:
        """Up, or down and why, as the watch last saw it; which of its hosts are dead."""
        return trunk_standing(trunk)

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """The preset's values, if one was chosen."""
        chosen = chosen_preset(request)
        return chosen.trunk if chosen else super().get_changeform_initial_data(request)

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> Any:
        """The preset's networks and hosts stand in the first rows."""
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        chosen = chosen_preset(request)
        rows = (
            {"networks": [{"cidr": cidr} for cidr in chosen.networks], "servers": chosen.servers}
            if chosen
            else {}
        )
        return found | ({"initial": rows[prefix]} if prefix in rows else {})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """With the presets to choose from."""
        # After a failed save too; but the rows then are as they were sent, not the preset's.
        chosen = preset(request.GET.get("preset", ""))
        offered = {"presets": presets().values(), "chosen": chosen}
        return super().add_view(request, form_url, offered | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trunk]:
        """Trunks with their networks, their names and the count of their numbers."""
        trunks: QuerySet[Trunk] = (
            super().get_queryset(request).prefetch_related("networks", "hosts")
        )
        counted: QuerySet[Trunk] = trunks.annotate(numbers_count=Count("numbers", distinct=True))
        return counted

    @admin.display(description="networks")
    def addresses(self, trunk: Trunk) -> str | SafeString:
        """The first three, and how many more; a name that can't be looked up stands out."""
        hosts = list(trunk.hosts.all())
        networks = [network.cidr for network in trunk.networks.all()] + [str(row) for row in hosts]
        more = f" and {len(networks) - 3} more" if len(networks) > 3 else ""
        text = ", ".join(networks[:3]) + more or "none: no call can come in"
        failing = [row for row in hosts if row.last_error]
        if not failing:
            return text
        warning = pill("warn", f"{failing[0]} can't be looked up")
        return format_html_join(" ", "{}", [(text,), (warning,)])

    @admin.display(description="numbers", ordering="numbers_count")
    def lines(self, trunk: Trunk) -> int:
        """How many numbers come in over it."""
        return int(getattr(trunk, "numbers_count", 0))

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Warn of what is allowed and probably not meant."""
        super().after_save(request, obj, change=change)
        cidrs = list(obj.networks.values_list("cidr", flat=True))
        named = obj.hosts.exists()
        if named:
            vendor_lookups.soon()
        if obj.enabled and not cidrs and not named:
            text = (
                "The trunk has no networks and no names: its calls can't come in. Add the "
                "vendor's addresses."
            )
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
