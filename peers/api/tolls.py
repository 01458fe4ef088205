"""Toll limits of trunks with their rates, and alarms, over the API."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.fields import get_error_detail
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import ResourceSerializer, Strict
from ddiweb.api.views import ReadOnly, Resource, deployed, documented
from ddiweb.deploy.models import Node
from ddiweb.deploy.services import request_deployment
from peers import rates_csv
from peers.models import Rate, TollAlarm, TrunkToll
from peers.outgoing_forms import replace_rates


class TollLimitSerializer(ResourceSerializer):
    """What all outgoing calls of a trunk together may use. 0 is no limit."""

    fixed = ("trunk",)
    node = serializers.SlugRelatedField[Node](
        source="trunk.node", slug_field="slug", read_only=True
    )
    rates = serializers.SerializerMethodField(help_text="How many prefixes have a rate.")

    class Meta:
        model = TrunkToll
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "node",
            "trunk",
            "calls_max",
            "calls_a_minute",
            "minutes_a_day",
            "money_a_day",
            "rates",
        )

    def node_id(self, candidate: TrunkToll) -> int | None:
        """The node of its trunk."""
        return candidate.trunk.node_id

    def get_rates(self, row: TrunkToll) -> int:
        """How many."""
        return row.rates.count()


class TollLimitFilter(NodeFilter):
    """By node and trunk."""

    node = django_filters.CharFilter(field_name="trunk__node__slug", help_text="The node's slug.")
    trunk = django_filters.NumberFilter(field_name="trunk_id")

    class Meta:
        model = TrunkToll
        fields = ("node", "trunk")


class RatesSerializer(Strict):
    """All rates of a trunk."""

    csv = serializers.CharField(
        trim_whitespace=False,
        max_length=rates_csv.BYTES_MAX,
        help_text="A line each: prefix, rate a minute, set-up fee (0), seconds of which each begun "
        "piece is charged (60).",
    )


@documented(TollLimitSerializer)
class TollLimitViewSet(Resource):
    """Limits and rates of trunks."""

    noun = "toll limit"
    queryset = TrunkToll.objects.select_related("trunk__node").prefetch_related("rates")
    serializer_class = TollLimitSerializer
    filterset_class = TollLimitFilter
    ordering_fields = ("id",)
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "rates": ("peers.change_trunktoll",)
    }

    def node_id(self, row: TrunkToll) -> int:
        """The node of its trunk."""
        return row.trunk.node_id

    @extend_schema(request=RatesSerializer, responses={200: TollLimitSerializer})
    @action(detail=True, methods=["post"])
    def rates(self, request: Request, pk: str) -> Response:
        """Replace all rates of the trunk by a CSV."""
        wish = RatesSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        try:
            found = rates_csv.parse(wish.validated_data["csv"])
        except DjangoValidationError as error:
            raise serializers.ValidationError({"csv": get_error_detail(error)}) from None
        with transaction.atomic():
            toll = self.get_object()
            replace_rates(toll, found)
            reason = f"{len(found)} rates of {toll.trunk}"
            deployment = request_deployment(toll.trunk.node_id, reason, request.user)
            fresh = self.get_queryset().get(pk=toll.pk)
        return Response({**self.get_serializer(fresh).data, **deployed(deployment)})


class RateSerializer(serializers.ModelSerializer[Rate]):
    """What a vendor asks for numbers with a prefix."""

    trunk = serializers.IntegerField(source="toll.trunk_id", read_only=True)

    class Meta:
        model = Rate
        fields: ClassVar[Any] = ("id", "trunk", "prefix", "a_minute", "setup", "increment")
        read_only_fields: ClassVar[Any] = fields


class RateFilter(django_filters.FilterSet):
    """By trunk and prefix."""

    trunk = django_filters.NumberFilter(field_name="toll__trunk_id")

    class Meta:
        model = Rate
        fields = ("trunk", "prefix")


class RateViewSet(ReadOnly):
    """Rates, by prefix; ``toll-limits/{id}/rates/`` replaces them."""

    queryset = Rate.objects.select_related("toll")
    serializer_class = RateSerializer
    filterset_class = RateFilter
    ordering_fields = ("id", "prefix")


class TollAlarmSerializer(serializers.ModelSerializer[TollAlarm]):
    """A cap that was reached, or an emergency number that was dialled."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)
    what = serializers.CharField(read_only=True, help_text="The cap in words.")

    class Meta:
        model = TollAlarm
        fields: ClassVar[Any] = ("id", "node", "who", "cap", "what", "times", "last_at")
        read_only_fields: ClassVar[Any] = fields


class TollAlarmFilter(NodeFilter):
    """By node, who, cap and time."""

    last_at = django_filters.IsoDateTimeFromToRangeFilter()

    class Meta:
        model = TollAlarm
        fields = ("node", "who", "cap", "last_at")


class TollAlarmViewSet(ReadOnly):
    """Alarms of toll limits, the latest first."""

    queryset = TollAlarm.objects.select_related("node")
    serializer_class = TollAlarmSerializer
    filterset_class = TollAlarmFilter
    ordering_fields = ("id", "last_at")
