"""Outgoing policies, toll limits with their rates, and alarms over the API."""

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

from ddiweb import validators
from ddiweb.api.errors import Conflict
from ddiweb.api.fields import Text
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, Item, ResourceSerializer, Strict
from ddiweb.api.views import ReadOnly, Resource, deployed, documented
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.services import request_deployment
from peers import rates_csv
from peers.api.serializers import node_field
from peers.models import (
    OutgoingPolicy,
    OutgoingPrefix,
    OutgoingTrunk,
    Rate,
    TollAlarm,
    Trunk,
    TrunkToll,
)
from peers.outgoing_forms import replace_rates
from peers.outgoing_models import PREFIX, trunk_fault
from peers.realtime.outgoing import TRUNKS_MAX


class PrefixSerializer(Item):
    """Numbers that are allowed or refused beside the countries."""

    prefix = Text(
        max_length=16,
        validators=[validators.Pattern(PREFIX, "write a number or its beginning, such as +4420")],
        help_text="E.164, or its beginning: +4420.",
    )
    allow = serializers.BooleanField(default=False, help_text="false: refused.")
    note = Text(max_length=120, required=False, allow_blank=True, default="")


class OutgoingPolicySerializer(ResourceSerializer):
    """Where phones may call, by which trunks, as whom and how much."""

    nested = ("trunks", "prefixes")
    node = node_field()
    zones = serializers.ListField(
        child=Text(max_length=3),
        required=False,
        max_length=300,
        help_text="ISO codes such as GB, or the code of an international network such as 881. "
        "All others are refused.",
    )
    trunks = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        queryset=Trunk.objects.all(),
        help_text="In their order. The next is tried if one can't place the call. Replaced as a "
        "whole if named.",
    )
    prefixes = PrefixSerializer(
        many=True,
        required=False,
        max_length=200,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="The longest that fits decides. Replaced as a whole if named.",
    )

    class Meta:
        model = OutgoingPolicy
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "key",
            "node",
            "name",
            "country",
            "number",
            "zones",
            "premium",
            "trunks",
            "prefixes",
            "calls_max",
            "calls_a_minute",
            "minutes_a_day",
            "longest_call",
            "money_a_day",
            "emergency_trunk",
            "emergency_more",
            "created_at",
        )

    def to_representation(self, instance: OutgoingPolicy) -> Any:
        """Trunks by their ids, first to last."""
        shown = super().to_representation(instance)
        shown["trunks"] = [one.trunk_id for one in instance.trunks.all()]
        return shown

    def check_rules(self, candidate: OutgoingPolicy, attrs: Attrs) -> None:
        """Calls can go out by each trunk; nothing stands twice."""
        trunks = attrs.get("trunks", [])
        if len(set(trunks)) != len(trunks) or len(trunks) > TRUNKS_MAX:
            text = f"names a trunk twice, or more than {TRUNKS_MAX}; name each once"
            raise _fault("trunks", text, "repeated")
        for index, trunk in enumerate(trunks):
            fault = trunk_fault(trunk, candidate.node_id)
            if fault:
                raise _fault(f"trunks.{index}", fault.messages[0], str(fault.code))
        prefixes = [one["prefix"] for one in attrs.get("prefixes", [])]
        for index, prefix in enumerate(prefixes):
            if prefix in prefixes[:index]:
                text = f"{prefix} is named twice; name it once"
                raise _fault(f"prefixes.{index}.prefix", text, "repeated")

    def store_nested(self, instance: OutgoingPolicy, named: Attrs) -> None:
        """Replace trunks and prefixes."""
        if "trunks" in named:
            instance.trunks.all().delete()
            for place, trunk in enumerate(named["trunks"], start=1):
                OutgoingTrunk.objects.create(policy=instance, trunk=trunk, position=place)
        if "prefixes" in named:
            instance.prefixes.all().delete()
            for one in named["prefixes"]:
                OutgoingPrefix.objects.create(policy=instance, **one)


def _fault(name: str, text: str, code: str) -> serializers.ValidationError:
    return serializers.ValidationError({name: [serializers.ErrorDetail(text, code=code)]})


class OutgoingPolicyFilter(NodeFilter):
    """By node and name."""

    class Meta:
        model = OutgoingPolicy
        fields = ("node", "name")


@documented(OutgoingPolicySerializer)
class OutgoingPolicyViewSet(Resource):
    """Policies of outgoing calls; a peer names one by its id."""

    noun = "outgoing policy"
    queryset = OutgoingPolicy.objects.select_related("node").prefetch_related("trunks", "prefixes")
    serializer_class = OutgoingPolicySerializer
    filterset_class = OutgoingPolicyFilter
    ordering_fields = ("id", "name", "created_at")

    def remove(self, row: OutgoingPolicy) -> Deployment | None:
        """Delete it, unless a phone calls by it."""
        peers = list(row.peers.all()[:5])
        if peers:
            names = ", ".join(str(peer) for peer in peers)
            raise Conflict(f"{names} may call by it; give them another policy first.")
        return super().remove(row)


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
