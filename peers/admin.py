"""Peers and tokens in the panel."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from ddiweb.admin_base import DeployingAdmin, ReadOnlyAdmin
from ddiweb.deploy.templatetags.panel import ago, no_password, pill
from peers import passwords, person_rules, phones, services, views
from peers.choices import TokenState
from peers.forms import PeerForm
from peers.leak_models import TokenLeak
from peers.models import Peer, Token
from peers.provisioning import views as provisioning


class RegisteredFilter(admin.SimpleListFilter):
    """Phones that are there now, and those that are not."""

    title = "phone"
    parameter_name = "phone"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("here", "registered"), ("away", "not registered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter on the annotation ``here``."""
        if self.value() in {"here", "away"}:
            return queryset.filter(here=self.value() == "here")
        return queryset


@admin.register(Peer)
class PeerAdmin(DeployingAdmin):
    """One phone; its page also rotates its token and shows what to type into it."""

    form = PeerForm
    fixed = ("node",)
    list_display = ("name", "username", "phone", "token", "node", "enabled")
    list_filter = (RegisteredFilter, "enabled", "node", "tokens__state")
    search_fields = ("name", "username", "person__name", "owner__username", "tokens__hint")
    list_select_related = ("node", "owner", "person")
    actions = ("rotate_tokens", "cut_off")
    change_form_template = "admin/peers/peer/change_form.html"
    fieldsets = (
        (None, {"fields": ("node", "name", "owner", "enabled")}),
        ("Account", {"fields": ("username", "password", "carrier")}),
        ("Connection", {"fields": ("transport", "strict_names", "nat", "digest")}),
        (
            "Staying reachable",
            {
                "fields": ("qualify", "expires_min", "expires_default", "expires_max"),
                "classes": ("collapse",),
            },
        ),
        ("Outgoing calls", {"fields": ("outgoing", "caller_number")}),
        ("Sound", {"fields": ("codecs",), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Peer]:
        """Peers with their tokens and whether their phone is there."""
        peers: QuerySet[Peer] = super().get_queryset(request).prefetch_related("tokens")
        known: QuerySet[Peer] = peers.annotate(here=phones.is_registered())
        return known

    @admin.display(description="phone", ordering="here")
    def phone(self, peer: Peer) -> str:
        """Whether it is registered."""
        if not peer.enabled:
            return pill("off", "switched off")
        if getattr(peer, "here", False):
            return pill("good", "registered")
        if passwords.is_due(peer):
            return no_password()
        return pill("quiet", "not registered")

    @admin.display(description="token")
    def token(self, peer: Peer) -> str:
        """The newest live token's state, in a word."""
        state = phones.PhoneStatus([], list(peer.tokens.all()))
        newest = state.newest
        if newest is None:
            return pill("bad", "none: shut out")
        if state.unseen_in_grace:
            return pill("warn", "rotating: new one not seen")
        if newest.state == TokenState.CURRENT:
            return pill("good", "seen")
        return pill("quiet", "not seen yet")

    def response_post_save_add(self, request: HttpRequest, obj: Peer) -> HttpResponseRedirect:
        """To the new peer's page, which says what comes next: the phone."""
        if not self.has_change_permission(request, obj):
            return super().response_post_save_add(request, obj)
        return HttpResponseRedirect(reverse("admin:peers_peer_change", args=[obj.pk]))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A password that was typed is the newest token's too, where that is the username."""
        super().save_related(request, form, formsets, change)
        if form.cleaned_data.get("password"):
            passwords.on_newest_token(form.instance, form.cleaned_data["password"])

    def after_save(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """A new peer is given its first token."""
        if change:
            super().after_save(request, obj, change=change)
        else:
            services.peer_created(obj, request.user)

    def delete_all(self, request: HttpRequest, objects: Sequence[Any]) -> None:
        """Revoke the tokens first."""
        services.delete_peers(objects, request.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A peer that is the last one of a ring step stays until the route is changed."""
        deletable, counts, perms, protected = super().get_deleted_objects(objs, request)
        stuck = [
            f"Number {step.number}, step {step.position}: it would ring nobody. "
            "Change its route first."
            for step in person_rules.steps_left_empty(objs)
        ]
        counts = {name: count for name, count in counts.items() if "relationship" not in name}
        return deletable, counts, perms, [*protected, *stuck]

    @admin.action(description="Rotate token…", permissions=["change"])
    def rotate_tokens(self, request: HttpRequest, queryset: QuerySet[Peer]) -> HttpResponse:
        """Ask for the grace; nothing is done yet."""
        return views.ask(
            request, self.admin_site.each_context(request), list(queryset), views.ROTATE
        )

    @admin.action(description="Token compromised: cut off now…", permissions=["change"])
    def cut_off(self, request: HttpRequest, queryset: QuerySet[Peer]) -> HttpResponse:
        """Ask; nothing is done yet."""
        return views.ask(request, self.admin_site.each_context(request), list(queryset), views.CUT)

    def get_urls(self) -> list[URLPattern]:
        """The pages beside the usual ones."""
        view = self.admin_site.admin_view
        own = [
            path("rotate/", view(require_POST(self.rotate_view)), name="peers_peer_rotate"),
            path(
                "<int:pk>/ask/<slug:what>/",
                view(require_POST(self.ask_view)),
                name="peers_peer_ask",
            ),
            path(
                "<int:pk>/provision/",
                view(require_POST(self.provision_view)),
                name="peers_peer_provision",
            ),
            path("<int:pk>/phone/", view(require_POST(self.phone_view)), name="peers_peer_phone"),
        ]
        return [*own, *super().get_urls()]

    def rotate_view(self, request: HttpRequest) -> HttpResponse:
        """Do it."""
        return views.rotate(request, self.admin_site.each_context(request))

    def _changeable(self, request: HttpRequest, pk: int) -> Peer:
        peer = get_object_or_404(Peer.objects.select_related("node"), pk=pk)
        if not self.has_change_permission(request, peer):
            raise PermissionDenied
        return peer

    def ask_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """From the peer's own page to the question."""
        wish = views.CUT if what == views.CUT else views.ROTATE
        peer = self._changeable(request, pk)
        return views.ask(request, self.admin_site.each_context(request), [peer], wish)

    def phone_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What to type into the phone."""
        peer = self._changeable(request, pk)
        return views.set_up(request, self.admin_site.each_context(request), peer)

    def provision_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A link that sets the phone up."""
        peer, context = self._changeable(request, pk), self.admin_site.each_context(request)
        return provisioning.page(request, context, peer, request.POST.get("format", ""))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """What is known of the phone stands above the form."""
        peer = context.get("original")
        if isinstance(peer, Peer):
            context["status"] = phones.status(peer)
            context["leaks"] = TokenLeak.objects.filter(peer=peer).open()
            context["no_password"] = passwords.is_due(peer)
            context["can_change"] = self.has_change_permission(request, peer)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """Tokens by their first characters; the value is never shown here."""

    list_display = ("hint", "peer", "standing", "seen", "ends", "cut")
    list_filter = ("state", "node")
    search_fields = ("hint", "peer__name", "peer__username")
    list_select_related = ("peer", "node")
    fields = (
        "hint", "node", "peer", "standing", "reason", "issued_at", "seen_at", "grace_until",
        "revoked_at", "cut_at", "mark",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="state", ordering="state")
    def standing(self, token: Token) -> str:
        """The state as a coloured word."""
        tone = {"issued": "quiet", "current": "good", "retiring": "warn"}.get(token.state, "off")
        word, _, _ = token.get_state_display().partition(":")
        return pill(tone, word.lower())

    @admin.display(description="last seen", ordering="seen_at")
    def seen(self, token: Token) -> str:
        """How long ago a phone showed it."""
        return ago(token.seen_at)

    @admin.display(description="grace ends", ordering="grace_until")
    def ends(self, token: Token) -> str:
        """When it stops being accepted."""
        return ago(token.grace_until) if token.grace_until else ""

    @admin.display(description="flows cut", ordering="cut_at")
    def cut(self, token: Token) -> str:
        """When its flows were proved to be cut."""
        if token.state != TokenState.REVOKED:
            return ""
        return ago(token.cut_at) if token.cut_at else "not yet"


from peers import (  # noqa: E402, F401 - for their own
    admin_caller_names,
    admin_callers,
    admin_name_lookups,
    admin_numbers,
    admin_outgoing,
    admin_persons,
    admin_schedules,
    admin_sounds,
    admin_trunks,
    admin_voicemail,
)
