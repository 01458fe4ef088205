"""What the watch saw, over the API; and the state of everything at a glance."""

from typing import Any, ClassVar

import django_filters
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.fields import Redacted
from ddiweb.api.filters import NodeFilter, refuse_unknown_parameters
from ddiweb.api.permissions import Needs
from ddiweb.api.serializers import DeploymentLink
from ddiweb.api.views import Base, ReadOnly
from ddiweb.deploy.models import Deployment, Node
from ddiweb.live.models import Call, Channel, Contact, Heartbeat, SecurityEvent, TrunkState


class OnNode(serializers.ModelSerializer[Any]):
    """A row that says on which node it was seen."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)


class ContactSerializer(OnNode):
    """Where a registered phone, or a watched vendor, is reached now."""

    uri = Redacted(read_only=True)
    user_agent = Redacted(read_only=True)

    class Meta:
        model = Contact
        exclude = ()


class CallSerializer(OnNode):
    """One call record. ``caller`` was written by a stranger: escape it wherever it is shown."""

    class Meta:
        model = Call
        exclude = ()


class ChannelSerializer(OnNode):
    """One leg of a call that is up. ``caller`` and ``number`` were written by strangers."""

    class Meta:
        model = Channel
        exclude = ()


class TrunkStateSerializer(OnNode):
    """How a vendor's trunk stands; ``cause`` says why it is down, ``faults`` which host is dead.

    A trunk with several hosts is up while one of them is.
    """

    down = serializers.BooleanField(read_only=True)
    cause = serializers.CharField(read_only=True)
    faults = serializers.CharField(read_only=True)
    silent_hosts = serializers.ListField(child=serializers.CharField(), read_only=True)
    refusing_hosts = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = TrunkState
        exclude = ()


class SecurityEventSerializer(OnNode):
    """A wrong password, an unknown user. ``account`` was written by a stranger."""

    account = Redacted(read_only=True)

    class Meta:
        model = SecurityEvent
        exclude = ()


class ContactFilter(NodeFilter):
    """By node and endpoint."""

    class Meta:
        model = Contact
        fields = ("node", "endpoint", "status")


def _called(rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
    return rows.filter(**{name: value.removeprefix("+")})


class CallFilter(NodeFilter):
    """By node, number, party and time."""

    number = django_filters.CharFilter(
        method=_called, help_text="What was called, with or without its plus."
    )
    started_at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = Call
        fields = ("node", "number", "trunk", "peer", "disposition", "started_at")


class ChannelFilter(NodeFilter):
    """By node, party and call."""

    class Meta:
        model = Channel
        fields = ("node", "endpoint", "call_id", "talking")


class TrunkStateFilter(NodeFilter):
    """By node and trunk."""

    class Meta:
        model = TrunkState
        fields = ("node", "endpoint", "registration", "answers")


class SecurityEventFilter(NodeFilter):
    """By node, kind, address and time."""

    at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = SecurityEvent
        fields = ("node", "kind", "address", "at")


class ContactViewSet(ReadOnly):
    """Contacts, as the watch last saw them."""

    queryset = Contact.objects.select_related("node")
    serializer_class = ContactSerializer
    filterset_class = ContactFilter
    ordering_fields = ("id", "endpoint", "seen_at")


class CallViewSet(ReadOnly):
    """Call records, the newest first."""

    queryset = Call.objects.select_related("node")
    serializer_class = CallSerializer
    filterset_class = CallFilter
    ordering_fields = ("id", "started_at", "seconds")


class ChannelViewSet(ReadOnly):
    """Legs of calls that are up now."""

    queryset = Channel.objects.select_related("node")
    serializer_class = ChannelSerializer
    filterset_class = ChannelFilter
    ordering_fields = ("id", "started_at")


class TrunkStateViewSet(ReadOnly):
    """Vendors' trunks, as the watch last saw them."""

    queryset = TrunkState.objects.select_related("node")
    serializer_class = TrunkStateSerializer
    filterset_class = TrunkStateFilter
    ordering_fields = ("id", "endpoint", "changed_at")


class SecurityEventViewSet(ReadOnly):
    """Security events, the newest first."""

    queryset = SecurityEvent.objects.select_related("node")
    serializer_class = SecurityEventSerializer
    filterset_class = SecurityEventFilter
    ordering_fields = ("id", "at")


class NodeStatus(serializers.ModelSerializer[Node]):
    """Whether a node has what is stored."""

    converged = serializers.BooleanField(read_only=True)
    restart_owed = serializers.CharField(
        read_only=True, help_text="What waits for a restart of Asterisk; empty: nothing."
    )
    deployment = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = (
            "slug",
            "name",
            "dry_run",
            "generation",
            "applied_generation",
            "converged",
            "restart_owed",
            "applied_at",
            "checked_at",
            "deployment",
        )

    @extend_schema_field(DeploymentLink(allow_null=True))
    def get_deployment(self, row: Node) -> dict[str, Any] | None:
        """Its newest deployment."""
        newest: Deployment | None = self.context["newest"].get(row.pk)
        return DeploymentLink(newest).data if newest else None


class Process(serializers.ModelSerializer[Heartbeat]):
    """A process and when it was last heard of."""

    class Meta:
        model = Heartbeat
        fields = ("name", "at", "detail")


class Status(serializers.Serializer[Any]):
    """Everything at a glance."""

    now = serializers.DateTimeField(read_only=True)
    nodes = NodeStatus(many=True, read_only=True)
    processes = Process(many=True, read_only=True)


class StatusView(Base):
    """The state of each node and each process."""

    permission_classes = (Needs,)
    required_permissions: ClassVar[tuple[str, ...]] = ("deploy.view_node",)
    pagination_class = None

    @extend_schema(responses=Status)
    def get(self, request: Request) -> Response:
        """Nodes with their newest deployments, and the heartbeats of the processes."""
        refuse_unknown_parameters(request, self, paged=False)
        newest = Deployment.objects.filter(node=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        nodes = list(Node.objects.annotate(newest=Subquery(newest)))
        rows = Deployment.objects.defer("plan", "log", "drift").in_bulk(
            [node.newest for node in nodes if node.newest]
        )
        context = {"newest": {row.node_id: row for row in rows.values()}}
        return Response(
            {
                "now": timezone.now(),
                "nodes": NodeStatus(nodes, many=True, context=context).data,
                "processes": Process(Heartbeat.objects.order_by("name"), many=True).data,
            }
        )
