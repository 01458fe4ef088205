"""Outgoing policies over the API."""

from typing import Any, ClassVar

from rest_framework import serializers

from ddiweb import validators
from ddiweb.api.errors import Conflict
from ddiweb.api.fields import Text
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, Item, ResourceSerializer
from ddiweb.api.views import Resource, documented
from ddiweb.deploy.models import Deployment
from peers.api.serializers import node_field
from peers.models import OutgoingPolicy, OutgoingPrefix, OutgoingTrunk, Trunk
from peers.outgoing_models import trunk_fault
from peers.realtime.outgoing import TRUNKS_MAX
from peers.toll_models import PREFIX


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
