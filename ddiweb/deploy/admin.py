"""Nodes and deployments in the panel."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe
from knox.models import AuthToken

from ddiweb.admin_base import DeployingAdmin, ReadOnlyAdmin
from ddiweb.deploy import views
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.option_forms import OPTION_FIELDSETS, NodeForm
from ddiweb.deploy.templatetags.panel import ago, duration, pill, state_pill
from ddiweb.deploy.trials import Verb
from ddiweb.live import restart_views

# Tables of libraries that would show secrets or say nothing to an operator. Lockouts end by
# themselves; ``manage.py axes_reset`` ends them at once.
for table in (AuthToken, AccessAttempt, AccessFailureLog, AccessLog):
    if admin.site.is_registered(table):
        admin.site.unregister(table)


@admin.register(Node)
class NodeAdmin(DeployingAdmin):
    """A server; its page leads to what an apply would change."""

    form = NodeForm
    fixed = ("slug", "realm", "site_prefix")
    list_display = ("name", "slug", "standing", "public_ipv4", "public_ipv6", "phones", "dry_run")
    list_filter = ("dry_run",)
    search_fields = ("name", "slug", "public_ipv4", "public_ipv6")
    change_form_template = "admin/deploy/node/change_form.html"
    fieldsets = (
        (None, {"fields": ("name", "slug", "dry_run")}),
        ("Addresses", {"fields": ("public_ipv4", "public_ipv6", "sip_port")}),
        ("Audio", {"fields": (("rtp_first", "rtp_last"),)}),
        *OPTION_FIELDSETS,
        (
            "Fixed once it is there",
            {
                "fields": ("realm",),
                "description": "Password hashes and tokens are made from these.",
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The prefix of its tokens exists only after it was saved."""
        sets = list(super().get_fieldsets(request, obj))
        if obj is not None:
            name, options = sets[-1]
            sets[-1] = (name, options | {"fields": ("realm", "site_prefix")})
        return sets

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        """Nodes with the count of their phones."""
        nodes: QuerySet[Node] = super().get_queryset(request)
        counted: QuerySet[Node] = nodes.annotate(peers_count=Count("peers"))
        return counted

    def node_ids(self, obj: Any) -> Iterable[int]:
        """Itself."""
        return [obj.pk]

    def delete_all(self, request: HttpRequest, objects: Sequence[Any]) -> None:
        """A node that is gone can't be deployed; trunks and peers on it protect it."""
        for obj in objects:
            obj.delete()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its deployments and revoked tokens go with it, though nobody may delete them alone."""
        deletable, counts, perms, protected = super().get_deleted_objects(objs, request)
        own = {Deployment._meta.verbose_name, "token", "contact", "call", "security event"}
        return deletable, counts, {name for name in perms if name not in own}, protected

    @admin.display(description="state")
    def standing(self, node: Node) -> str:
        """Whether the newest generation is in force."""
        if node.converged:
            return pill("quiet", "dry run") if node.dry_run else pill("good", "in force")
        return pill("warn", f"{node.generation - node.applied_generation} to apply")

    @admin.display(description="phones", ordering="peers_count")
    def phones(self, node: Node) -> int:
        """How many peers it has."""
        return int(getattr(node, "peers_count", 0))

    def get_urls(self) -> list[URLPattern]:
        """The plan, and “deploy again”."""
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/plan/", view(require_safe(self.plan_view)), name="deploy_node_plan"),
            path("<int:pk>/again/", view(require_POST(self.again_view)), name="deploy_node_again"),
            path("<int:pk>/restart/", view(self.restart_view), name="deploy_node_restart"),
        ]
        return [*own, *super().get_urls()]

    def plan_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What an apply would change, as the newest deployment saw it."""
        return views.plan(request, self.admin_site.each_context(request), pk)

    def restart_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What waits for a restart of Asterisk, and the word for it."""
        return restart_views.page(request, self.admin_site.each_context(request), pk)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a deployment without an edit."""
        return views.again(request, pk)


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """What was changed on a node, by whom and with what result."""

    list_display = ("label", "node", "standing", "why", "person", "when", "took")
    list_filter = ("state", "node", "dry_run")
    search_fields = ("reason", "error", "requested_by__username")
    list_select_related = ("node", "requested_by")
    change_form_template = "admin/deploy/deployment/change_form.html"
    fields = ()

    @admin.display(description="deployment", ordering="id")
    def label(self, row: Deployment) -> str:
        """Its number."""
        return f"#{row.pk}"

    @admin.display(description="state", ordering="state")
    def standing(self, row: Deployment) -> str:
        """The state as a coloured word."""
        return state_pill(row.state, row.dry_run, row.held)

    @admin.display(description="reason", ordering="reason")
    def why(self, row: Deployment) -> str:
        """The first edit's reason, and how many joined it."""
        more = row.edits - 1
        return f"{row.reason} and {more} more edit{'s' * (more > 1)}" if more else row.reason

    @admin.display(description="by")
    def person(self, row: Deployment) -> str:
        """Who asked for it."""
        return str(row.requested_by or "ddiweb")

    @admin.display(description="asked for", ordering="created_at")
    def when(self, row: Deployment) -> str:
        """How long ago."""
        return ago(row.created_at)

    @admin.display(description="took")
    def took(self, row: Deployment) -> str:
        """From its start to its end."""
        return duration(row.seconds)

    def get_urls(self) -> list[URLPattern]:
        """The fragment that shows its progress."""
        view = self.admin_site.admin_view
        live = path(
            "<int:pk>/progress/",
            view(require_safe(self.progress_view)),
            name="deploy_deployment_progress",
        )
        ends = [
            path(
                f"<int:pk>/{verb}/",
                view(require_POST(partial(self.end_view, verb=verb))),
                name=f"deploy_deployment_{verb}",
            )
            for verb in ("confirm", "rollback")
        ]
        return [live, *ends, *super().get_urls()]

    def end_view(self, request: HttpRequest, pk: int, verb: Verb) -> HttpResponse:
        """Confirm a trial, or roll it back."""
        return views.end_trial(request, pk, verb)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """State, steps and difference of one deployment, for polling."""
        return views.progress(request, pk)
