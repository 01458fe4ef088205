"""The page of bans: who is shut out, why, for how long, and letting in again."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.views.decorators.http import require_POST

from ddiweb import client
from ddiweb.admin_base import PlainFields, TitledAdmin
from ddiweb.deploy.templatetags.panel import ago, moment, pill
from ddiweb.live.models import SecurityEvent
from firewall import bans
from firewall.ban_forms import BanForm
from firewall.ban_models import Ban

#: Spared addresses above the list.
SPARED_SHOWN = 5


class HoldsFilter(admin.SimpleListFilter):
    """Those that hold, unless others are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What can be chosen."""
        return [("ended", "Over or lifted"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        """``Shut out now`` is what is shown without a choice."""
        first, *others = super().choices(changelist)
        return [first | {"display": "Shut out now"}, *others]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The rows of the choice."""
        if self.value() == "all":
            return queryset
        return queryset.ended() if self.value() == "ended" else queryset.active()


@admin.register(Ban)
class BanAdmin(PlainFields, TitledAdmin):
    """Bans are added and lifted, never edited or deleted: they are the history."""

    form = BanForm
    list_display = (
        "address", "standing", "ends", "let_in_button", "why", "by", "since", "node",
    )  # fmt: skip
    list_filter = (HoldsFilter, "reason", "node")
    search_fields = ("cidr", "note")
    list_select_related = ("node", "created_by", "lifted_by")
    list_per_page = 50
    actions = ("let_in",)
    change_form_template = "admin/firewall/ban/change_form.html"
    shown = (
        "node", "address", "standing", "reason", "note", "since", "ends", "by", "refused",
    )  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the reasons are kept."""
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        """No button for those who may not press it."""
        shown = super().get_list_display(request)
        if self.has_change_permission(request):
            return shown
        return [name for name in shown if name != "let_in_button"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form of a new one; the story of an old one."""
        if obj is None:
            return BanForm.Meta.fields
        return self.shown if obj.refused else self.shown[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of an old one."""
        return self.shown if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kw: Any
    ) -> Any:
        """Tell the form who asks, and from where."""
        if obj is not None:
            return super().get_form(request, obj, change, **kw | {"form": forms.ModelForm})
        made = super().get_form(request, obj, change, **kw)
        values = {"who": request.user, "own_address": client.address(request)}
        return type("AskedBanForm", (made,), values)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Stored by the form's own check."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Say what a ban does, and whom it spared."""
        hint = "Who fails too often with a valid token is shut out; thresholds stand at the node."
        context = {"subtitle": hint, "spared": spared()} | (extra_context or {})
        return super().changelist_view(request, context)

    @admin.display(description="address", ordering="cidr")
    def address(self, ban: Ban) -> str:
        """One address without a prefix length."""
        return ban.address

    @admin.display(description="state")
    def standing(self, ban: Ban) -> str:
        """Whether it holds."""
        if ban.lifted_at:
            return pill("off", "let in again")
        if not ban.active:
            return pill("off", "over")
        if ban.refused:
            return pill("bad", "not in force")
        return pill("bad" if ban.until is None else "warn", "shut out")

    @admin.display(description="reason", ordering="reason")
    def why(self, ban: Ban) -> str:
        """The reason and the note."""
        note = Truncator(ban.note).chars(60)
        return format_html('{} <span class="aside">{}</span>', ban.get_reason_display(), note)

    @admin.display(description="since", ordering="created_at")
    def since(self, ban: Ban) -> str:
        """How long ago."""
        return format_html(
            '<span title="{}">{}</span>', moment(ban.created_at), ago(ban.created_at)
        )

    @admin.display(description="until", ordering="until")
    def ends(self, ban: Ban) -> str:
        """When it ends, or ended."""
        end = ban.lifted_at or ban.until
        if end is None:
            return "for good"
        return format_html('<span title="{}">{}</span>', moment(end), ago(end))

    @admin.display(description="by", ordering="created_by")
    def by(self, ban: Ban) -> str:
        """Who banned it, and who let it in again."""
        who = str(ban.created_by or ban.get_source_display())
        return f"{who}; let in by {ban.lifted_by or 'somebody'}" if ban.lifted_at else who

    @admin.display(description="")
    def let_in_button(self, ban: Ban) -> str:
        """One click; within the list's own form, whose CSRF token it sends."""
        if not ban.active:
            return ""
        return format_html(
            '<button type="submit" class="button row-button" formaction="{}">Let in</button>',
            reverse("admin:firewall_ban_lift", args=[ban.pk]),
        )

    @admin.action(description="Let in again", permissions=["change"])
    def let_in(self, request: HttpRequest, queryset: QuerySet[Ban]) -> None:
        """Many at once."""
        count = bans.lift(queryset, request.user)
        messages.success(request, f"{count} ban{'' if count == 1 else 's'} lifted.")

    def get_urls(self) -> list[URLPattern]:
        """Letting in is a page of its own, by POST."""
        lift = self.admin_site.admin_view(require_POST(self.lift_view))
        return [path("<int:pk>/lift/", lift, name="firewall_ban_lift"), *super().get_urls()]

    def lift_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do it, and say so."""
        ban = get_object_or_404(Ban.objects.select_related("node"), pk=pk)
        if not self.has_change_permission(request, ban):
            raise PermissionDenied
        if bans.lift([ban], request.user):
            messages.success(request, f"{ban} is let in again.")
        else:
            messages.info(request, f"{ban} was not shut out any more.")
        return HttpResponseRedirect(reverse("admin:firewall_ban_changelist"))


def spared() -> list[SecurityEvent]:
    """Who failed too often within a day and was not banned: the latest of each address."""
    day = timezone.now() - timedelta(days=1)
    rows = SecurityEvent.objects.filter(kind__startswith="spared_", at__gte=day)[:200]
    latest: dict[str, SecurityEvent] = {}
    for row in rows:
        latest.setdefault(row.address, row)
    return list(latest.values())[:SPARED_SHOWN]


def ban_link(node_id: int, address: str, reason: str) -> SafeString | str:
    """“ban” as a link to the filled form; empty for what is no address."""
    if not address:
        return ""
    query = urlencode({"node": str(node_id), "cidr": address, "reason": reason})
    return format_html('<a href="{}?{}">ban</a>', reverse("admin:firewall_ban_add"), query)
