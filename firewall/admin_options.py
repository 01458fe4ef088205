"""Services and exceptions of a node's firewall in the panel; each may end by itself."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from ddiweb import clock
from ddiweb.admin_base import DeployingAdmin
from ddiweb.deploy.templatetags.panel import ago
from firewall.models import AddressException, AllowedService


class Ending(DeployingAdmin):
    """What may have an end."""

    fixed = ("node",)
    list_filter = ("node",)
    list_select_related = ("node",)

    @admin.display(description="ends", ordering="expires_at")
    def ends(self, row: Any) -> str:
        """When it is taken away by itself."""
        return ago(row.expires_at) if row.expires_at else "never"

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Say so if it has ended before it began."""
        super().after_save(request, obj, change=change)
        if obj.expires_at and obj.expires_at <= clock.now():
            messages.warning(request, f"{obj} has ended already: it is taken away within seconds.")


@admin.register(AllowedService)
class AllowedServiceAdmin(Ending):
    """Other ports of the host."""

    fields = ("node", "protocol", ("first", "last"), "network", "expires_at", "note")
    list_display = ("__str__", "note", "ends", "node")
    search_fields = ("network", "note")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Say what need not stand here."""
        hint = (
            "Ports of this host besides SIP, audio and management. A port without a network is "
            "open to everybody; it has no token and no ban in front of it."
        )
        return super().changelist_view(request, {"subtitle": hint} | (extra_context or {}))

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Warn of what is open to all."""
        super().after_save(request, obj, change=change)
        if not obj.network:
            messages.warning(request, f"{obj}: the whole Internet reaches it now. Is that meant?")


@admin.register(AddressException)
class AddressExceptionAdmin(Ending):
    """Networks without a token."""

    fields = ("node", "cidr", "expires_at", "note")
    list_display = ("cidr", "note", "ends", "node")
    search_fields = ("cidr", "note")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Say what an exception costs."""
        hint = (
            "Networks whose SIP and audio pass without a token, such as an office with desk "
            "phones that can't send one. Only the password stands between them and Asterisk."
        )
        return super().changelist_view(request, {"subtitle": hint} | (extra_context or {}))
