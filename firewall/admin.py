"""Management networks in the panel."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from ddiweb.admin_base import DeployingAdmin
from firewall.models import ManagementNetwork
from peers import rules
from peers.models import TrunkNetwork


@admin.register(ManagementNetwork)
class ManagementNetworkAdmin(DeployingAdmin):
    """Who reaches a node's management ports, besides the networks built into its agent."""

    fixed = ("node",)
    fields = ("node", "cidr", "note")
    list_display = ("cidr", "note", "node")
    list_filter = ("node",)
    search_fields = ("cidr", "note")
    list_select_related = ("node",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Say that an empty list locks nobody out."""
        hint = (
            "Networks built into the agent on the node always reach the management ports; they "
            "stand in its own configuration and are not listed here. Add others below."
        )
        return super().changelist_view(request, {"subtitle": hint} | (extra_context or {}))

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Warn if a vendor's addresses would be let in as administrators."""
        super().after_save(request, obj, change=change)
        rows = TrunkNetwork.objects.filter(trunk__node_id=obj.node_id).select_related("trunk")
        for row in rows:
            if rules.overlaps(row.cidr, obj.cidr):
                messages.warning(
                    request,
                    f"{obj.cidr} overlaps {row.cidr} of the trunk “{row.trunk}”: those addresses "
                    "are let in both as a vendor and as administrators. Is that meant?",
                )


from firewall import admin_options, admin_traffic, admin_why, ban_admin  # noqa: E402, F401 - they register
