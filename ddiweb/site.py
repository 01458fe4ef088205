"""The panel: Django's admin under ddiweb's name, with the dashboard first."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

#: The menu: headings and models in the order in which they are needed.
MENU: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Telephony",
        (
            "peers.Peer",
            "peers.Person",
            "peers.Number",
            "peers.Schedule",
            "peers.VoiceMessage",
            "peers.Mailbox",
            "peers.Sound",
            "peers.CallerRule",
            "peers.CallerName",
            "peers.NameLookup",
            "peers.Trunk",
            "peers.OutgoingPolicy",
            "peers.TrunkToll",
            "peers.Token",
        ),
    ),
    ("Nodes", ("deploy.Node", "deploy.Deployment", "firewall.ManagementNetwork")),
    (
        "Firewall",
        (
            "firewall.Question",
            "firewall.TrafficSample",
            "firewall.Ban",
            "firewall.AddressException",
            "firewall.AllowedService",
        ),
    ),
    (
        "Live",
        (
            "live.Contact",
            "live.Channel",
            "live.Call",
            "live.TrunkState",
            "peers.TollAlarm",
            "live.SecurityEvent",
        ),
    ),
    ("Accounts", ("auth.User", "auth.Group", "api.ApiToken")),
)


class PanelSite(AdminSite):
    """One site for people; the API is beside it."""

    site_header = "ddiweb"
    site_title = "ddiweb"
    index_title = "Home"
    site_url = None

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Every page has the menu."""
        context = super().each_context(request)
        context["menu"] = menu(context.get("available_apps", []))
        return context

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The dashboard."""
        from ddiweb.live import views

        return super().index(request, views.context(request) | (extra_context or {}))

    def board(self, request: HttpRequest) -> HttpResponse:
        """The dashboard's living part."""
        from ddiweb.live import views

        return views.board(request)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The usual ones and the dashboard's own."""
        board = self.admin_view(never_cache(require_safe(self.board)))
        return [path("board/", board, name="board"), *super().get_urls()]


def menu(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``MENU`` with what this person may see; models that it does not name come last."""
    every = {
        f"{app['app_label']}.{model['object_name']}": model
        for app in apps
        for model in app["models"]
    }
    found = []
    for heading, names in MENU:
        models = [every.pop(name) for name in names if name in every]
        if models:
            found.append({"name": heading, "models": models})
    if every:
        found.append({"name": "More", "models": list(every.values())})
    return found
