"""Restarts of Asterisk over the API: read, ask for one, take it back."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.errors import Conflict
from ddiweb.api.fields import Choice, Reference
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Nothing, Strict
from ddiweb.api.views import ReadOnly
from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.live import restarts
from ddiweb.live.api import OnNode
from ddiweb.live.restart_models import Restart


class RestartSerializer(OnNode):
    """A restart of Asterisk that somebody asked for."""

    requested_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    open = serializers.BooleanField(
        read_only=True, help_text="Whether something is still to come of it."
    )

    class Meta:
        model = Restart
        fields: ClassVar[Any] = (
            "id", "node", "how", "state", "open", "why", "requested_by", "requested_at",
            "asked_at", "ended_at", "error",
        )  # fmt: skip
        read_only_fields: ClassVar[Any] = fields


class NewRestart(Strict):
    """Which Asterisk may be restarted, and when."""

    node = Reference(slug_field="slug", queryset=Node.objects.all())
    how = Choice(
        choices=Restart.How.choices,
        help_text="quiet: as soon as no call is up; calls may begin meanwhile. now: calls that are "
        "up (/channels/) are cut.",
    )


class RestartFilter(NodeFilter):
    """By node and state."""

    class Meta:
        model = Restart
        fields = ("node", "state", "how")


class RestartViewSet(ReadOnly):
    """Restarts of Asterisk that were asked for, the newest first; a node has one open at most."""

    queryset = Restart.objects.select_related("node", "requested_by")
    serializer_class = RestartSerializer
    filterset_class = RestartFilter
    ordering_fields = ("id", "requested_at")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "create": ("deploy.change_node",),
        "cancel": ("deploy.change_node",),
    }

    @extend_schema(request=NewRestart, responses={202: RestartSerializer})
    def create(self, request: Request) -> Response:
        """Ask for one. If one that waits for calls is open, ``now`` takes its place."""
        given = NewRestart(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            row = restarts.wish(
                given.validated_data["node"], given.validated_data["how"], request.user
            )
        except Refused as error:
            raise Conflict(str(error)) from None
        return Response(RestartSerializer(row).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=Nothing, responses={202: RestartSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take one back that is still open; Asterisk may be quicker."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        row = self.get_object()
        if not restarts.take_back(row):
            raise Conflict(f"restart {row.pk} {row.get_state_display()}; nothing is to come of it")
        row.refresh_from_db()
        return Response(RestartSerializer(row).data, status=status.HTTP_202_ACCEPTED)
