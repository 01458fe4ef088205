"""Nodes and deployments over the API."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.errors import Conflict, Unavailable
from ddiweb.api.fields import Text
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Deployed, Nothing, ResourceSerializer
from ddiweb.api.views import ReadOnly, Resource, deployed, documented
from ddiweb.deploy import trials
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.options import OPTIONS
from ddiweb.deploy.services import request_deployment
from ddiweb.deploy.states import State
from ddiweb.redact import redacted

#: The states of a deployment as choices.
STATES = [(one.value, one.value) for one in State]


class NodeSerializer(ResourceSerializer):
    """A host that runs Asterisk and its firewall."""

    fixed = ("slug",)
    countries = serializers.ListField(
        child=Text(max_length=2),
        max_length=26 * 26,
        required=False,
        help_text="New phones only from these (ISO 3166-1 alpha-2, such as GB). Empty: from "
        "everywhere.",
    )
    converged = serializers.BooleanField(
        read_only=True, help_text="Whether the newest generation is in force."
    )

    class Meta:
        model = Node
        fields = (
            "slug",
            "name",
            "realm",
            "public_ipv4",
            "public_ipv6",
            "sip_port",
            "rtp_first",
            "rtp_last",
            "dry_run",
            *OPTIONS,
            "generation",
            "applied_generation",
            "applied_at",
            "checked_at",
            "converged",
        )
        read_only_fields = ("generation", "applied_generation", "applied_at", "checked_at")

    def node_id(self, candidate: Node) -> int | None:
        """A new node has no row to lock."""
        return candidate.pk


@documented(NodeSerializer)
class NodeViewSet(Resource):
    """Nodes, by their slug."""

    noun = "node"
    queryset = Node.objects.all()
    serializer_class = NodeSerializer
    lookup_field = "slug"
    lookup_value_regex = r"[a-z][a-z0-9-]{0,31}"
    ordering_fields = ("slug", "name")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {"deploy": ("deploy.change_node",)}

    def node_id(self, row: Node) -> int:
        """Itself."""
        return row.pk

    def remove(self, row: Node) -> Deployment | None:
        """Delete the node; nothing is deployed to what is no more."""
        row.delete()
        return None

    @extend_schema(request=Nothing, responses={202: Deployed})
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, slug: str) -> Response:
        """Bring the node to what is stored, also if nothing was edited."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        with transaction.atomic():
            deployment = request_deployment(self.get_object(), "asked for by API", request.user)
        return Response(deployed(deployment), status=status.HTTP_202_ACCEPTED)


class DeploymentSummarySerializer(serializers.ModelSerializer[Deployment]):
    """One run of the pipeline on one node."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)
    requested_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    meaning = serializers.CharField(read_only=True, help_text="The state in a sentence.")
    finished = serializers.BooleanField(
        read_only=True, help_text="Whether nothing more will come of it."
    )
    seconds = serializers.FloatField(read_only=True, allow_null=True)
    error = serializers.SerializerMethodField()
    trial = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields: tuple[str, ...] = (
            "id",
            "node",
            "generation",
            "state",
            "meaning",
            "finished",
            "reason",
            "requested_by",
            "urgent",
            "dry_run",
            "edits",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
            "seconds",
            "error",
            "trial",
            "confirm_until",
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_trial(self, row: Deployment) -> list[str]:
        """What could lock an administrator out, and so was only tried; in plain words."""
        return [str(line) for line in row.trial]

    @extend_schema_field(str)
    def get_error(self, row: Deployment) -> str:
        """What went wrong, or nothing."""
        return redacted(row.error)


class LogEntry(serializers.Serializer[Any]):
    """One move of a deployment."""

    at = serializers.DateTimeField(read_only=True)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    text = serializers.CharField(read_only=True)


class DriftEntry(serializers.Serializer[Any]):
    """What somebody else had changed."""

    at = serializers.DateTimeField(help_text="When it was noticed.")
    by = serializers.CharField(help_text="Who noticed it.")
    words = serializers.ListField(child=serializers.CharField())
    seen = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Target → what was removed and added, line by line.",
    )


class DeploymentSerializer(DeploymentSummarySerializer):
    """One run of the pipeline, with what it would change and what it did."""

    plan = serializers.SerializerMethodField()
    log = serializers.SerializerMethodField()
    drift = serializers.SerializerMethodField()

    class Meta(DeploymentSummarySerializer.Meta):
        fields = (*DeploymentSummarySerializer.Meta.fields, "plan", "log", "drift")

    @extend_schema_field(
        serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    )
    def get_plan(self, row: Deployment) -> dict[str, list[str]]:
        """Target → lines of the difference."""
        return {name: [redacted(line) for line in lines] for name, lines in row.plan.items()}

    @extend_schema_field(DriftEntry(allow_null=True))
    def get_drift(self, row: Deployment) -> dict[str, Any] | None:
        """What it repairs, if somebody else's change is the reason."""
        return row.drift or None

    @extend_schema_field(LogEntry(many=True))
    def get_log(self, row: Deployment) -> list[dict[str, Any]]:
        """Its moves, the first one first."""
        return [{**entry, "text": redacted(entry.get("text", ""))} for entry in row.log]


class DeploymentFilter(NodeFilter):
    """By node and state."""

    state = django_filters.ChoiceFilter(choices=STATES)

    class Meta:
        model = Deployment
        fields = ("node", "state", "generation", "urgent")


class DeploymentViewSet(ReadOnly):
    """Deployments, the newest first. Poll one until it is ``finished``."""

    queryset = Deployment.objects.select_related("node", "requested_by")
    filterset_class = DeploymentFilter
    ordering_fields = ("id", "created_at")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "confirm": ("deploy.change_node",),
        "rollback": ("deploy.change_node",),
    }

    def get_queryset(self) -> QuerySet[Deployment]:
        """Leave the long texts out of lists."""
        rows: QuerySet[Deployment] = super().get_queryset()
        return rows.defer("plan", "log", "drift") if self.action == "list" else rows

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        """The short form in lists."""
        return DeploymentSummarySerializer if self.action == "list" else DeploymentSerializer

    @extend_schema(request=Nothing, responses={202: DeploymentSummarySerializer})
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Keep what is on trial. Open a new connection from a management network before.

        The node decides: poll the deployment; a refusal stands in ``error``.
        """
        return self._end(request, "confirm")

    @extend_schema(request=Nothing, responses={202: DeploymentSummarySerializer})
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """End a trial at once: the rules before it are in force again."""
        return self._end(request, "rollback")

    def _end(self, request: Request, verb: trials.Verb) -> Response:
        Nothing(data=request.data).is_valid(raise_exception=True)
        row = self.get_object()
        if not row.confirming:
            raise Conflict(f"deployment {row.pk} is not on trial; it is {row.state}")
        Deployment.objects.filter(pk=row.pk).update(error="")
        if not trials.send(row, verb):
            raise Unavailable(f"Redis can't be reached; on the node: manage.py {verb}")
        row.refresh_from_db(fields=["state", "error"])
        return Response(self.get_serializer(row).data, status=status.HTTP_202_ACCEPTED)
