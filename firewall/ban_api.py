"""Bans over the API: read, add, let in again. None is edited or deleted."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb import client
from ddiweb.api.errors import from_django
from ddiweb.api.fields import Choice, Cidr, Reference, Text
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Nothing, Strict
from ddiweb.api.views import ReadOnly
from ddiweb.deploy.models import Node
from firewall import bans
from firewall.ban_models import Ban
from firewall.choices import BanReason


class BanSerializer(serializers.ModelSerializer[Ban]):
    """A network that is or was shut out."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)
    active = serializers.BooleanField(read_only=True, help_text="Whether it holds now.")
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    lifted_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Ban
        fields: ClassVar[Any] = (
            "id", "node", "cidr", "reason", "note", "source", "created_at", "until", "active",
            "created_by", "lifted_at", "lifted_by", "refused",
        )  # fmt: skip
        read_only_fields: ClassVar[Any] = fields


class NewBan(Strict):
    """Whom to shut out, why, and for how long."""

    node = Reference(slug_field="slug", queryset=Node.objects.all())
    cidr = Cidr(max_length=43, help_text="An address or a network; stored as a CIDR.")
    reason = Choice(choices=BanReason.choices, default=BanReason.BY_HAND)
    note = Text(max_length=200, allow_blank=True, default="")
    seconds = serializers.IntegerField(
        min_value=bans.SHORTEST,
        max_value=bans.LONGEST,
        allow_null=True,
        help_text="At most 31 days; null: until it is lifted.",
    )


class BanFilter(NodeFilter):
    """By node, network and reason, and by whether it holds."""

    active = django_filters.BooleanFilter(method="holds", help_text="Only those that hold now.")

    class Meta:
        model = Ban
        fields = ("node", "cidr", "reason", "source")

    def holds(self, queryset: Any, name: str, value: bool) -> Any:
        """Those that hold, or those that don't."""
        return queryset.active() if value else queryset.ended()


class BanViewSet(ReadOnly):
    """Networks that are or were shut out, the newest first."""

    queryset = Ban.objects.select_related("node", "created_by", "lifted_by")
    serializer_class = BanSerializer
    filterset_class = BanFilter
    ordering_fields = ("id", "cidr", "until")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "create": ("firewall.add_ban",),
        "lift": ("firewall.change_ban",),
    }

    @extend_schema(request=NewBan, responses={201: BanSerializer})
    def create(self, request: Request) -> Response:
        """Shut a network out, within a second."""
        wish = NewBan(data=request.data)
        wish.is_valid(raise_exception=True)
        data = wish.validated_data
        try:
            row = bans.ban(
                data["node"],
                data["cidr"],
                data["reason"],
                data["seconds"],
                user=request.user,
                note=data["note"],
                own_address=client.address(request._request),
            )
        except ValidationError as error:
            raise from_django(error) from None
        return Response(BanSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=Nothing, responses={200: BanSerializer})
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:
        """Let it in again; harmless for one that is over."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        with transaction.atomic():
            row = self.get_object()
            bans.lift([row], request.user)
            row.refresh_from_db()
        return Response(BanSerializer(row).data)
