"""Why, and how much: questions to a node's firewall and its counters over the API."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.errors import Conflict
from ddiweb.api.fields import Choice, Text
from ddiweb.api.permissions import Needs
from ddiweb.api.serializers import Strict
from ddiweb.api.views import Base
from ddiweb.deploy.models import Node
from firewall import questions, told, traffic
from firewall.models import Question
from firewall.names import Names
from firewall.question_model import PROTOCOLS
from firewall.ruleset.packet import MAX_PAYLOAD
from firewall.ruleset.values import Invalid
from peers.models import Peer

#: Series of one kind in an answer; the rest are left out.
MOST_SERIES = 200


class WhySerializer(Strict):
    """A packet, and from whom."""

    source = Text(  # type: ignore[assignment]
        max_length=60,
        help_text="Address and port: 203.0.113.7:5060 or [2001:db8::7]:5060; 5060 without one.",
    )
    protocol = Choice(choices=PROTOCOLS, default="udp")
    to_port = serializers.IntegerField(
        min_value=0, max_value=65_535, default=0, help_text="0: the node's SIP (or TLS) port."
    )
    peer = serializers.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        required=False,
        allow_null=True,
        default=None,
        help_text="A peer whose phone registered from there just now; without a payload, that "
        "registration itself.",
    )
    payload = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_PAYLOAD,
        help_text="Text or a SIP message, whose line ends are repaired. Not kept.",
    )
    reply = serializers.BooleanField(default=False, help_text="The host sent to it first.")

    def validate_payload(self, value: str) -> str:
        """Refuse what has no bytes."""
        if any("\ud800" <= one <= "\udfff" for one in value):
            raise ValidationError("holds half a character; send text", code="not_text")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Build the packets; a fault is told at its field."""
        node, number = self.context["node"], attrs["peer"]
        peer = Peer.objects.filter(node=node, pk=number).first() if number else None
        if number and peer is None:
            detail = ErrorDetail(f"{number} is no peer of this node; name one", "does_not_exist")
            raise ValidationError({"peer": [detail]})
        asked = Question(**attrs | {"peer": peer, "node": node})
        try:
            questions.packets(asked)
        except Invalid as error:
            field = error.field if error.field in self.fields else "source"
            detail = ErrorDetail(f"{error.fault}; {error.remedy}", code="invalid")
            raise ValidationError({field: [detail]}) from None
        return {"asked": asked}


class Rule(serializers.Serializer[Any]):
    """One rule that the packet met."""

    rule = serializers.CharField(source="raw")
    text = serializers.CharField(help_text="The same in words.")


class Remedy(serializers.Serializer[Any]):
    """What may be done about it."""

    text = serializers.CharField()
    url = serializers.CharField(help_text="A page of the panel.")


class WhyAnswer(serializers.Serializer[Any]):
    """What became of the packet."""

    passes = serializers.BooleanField(help_text="On the kernel's word where it was asked.")
    sentence = serializers.CharField(help_text="The verdict and its reason.")
    agreed = serializers.BooleanField(
        allow_null=True, help_text="Whether kernel and oracle agree; null: no kernel was asked."
    )
    kernel = Rule(many=True)
    oracle = serializers.ListField(child=serializers.CharField())
    remedies = Remedy(many=True)
    note = serializers.CharField()


class WhyView(Base):
    """Would this packet get through, and by which rule? Changes nothing."""

    permission_classes = (Needs,)
    required_permissions: ClassVar[tuple[str, ...]] = ("firewall.add_question",)

    @extend_schema(request=WhySerializer, responses=WhyAnswer)
    def post(self, request: Request, slug: str) -> Response:
        """The real kernel's word on the node, and beside it that of an independent oracle."""
        node = get_object_or_404(Node, slug=slug)
        wish = WhySerializer(data=request.data, context={"node": node})
        wish.is_valid(raise_exception=True)
        asked: Question = wish.validated_data["asked"]
        asked.asked_by_id = request.user.pk
        try:
            questions.ask(asked)
        except questions.Busy as error:
            raise Conflict(f"{error}.", code="busy") from None
        questions.await_answer(asked)
        if asked.error:
            raise Conflict(f"It can't be told: {asked.error}", code="no_answer")
        return Response(WhyAnswer(told.tell(asked)).data)


class SeriesSerializer(serializers.Serializer[Any]):
    """Packets of one subject over time."""

    kind = serializers.CharField(help_text="token, drop, vendor, ban, jail, exempt, revoked, …")
    key = serializers.CharField(help_text="A mark, a reason or a network.")
    name = serializers.CharField(help_text="What people call it.")
    total = serializers.IntegerField()
    packets = serializers.ListField(
        child=serializers.IntegerField(), help_text="One number a step, the oldest first."
    )


class Traffic(serializers.Serializer[Any]):
    """Time series of a node's firewall."""

    since = serializers.DateTimeField(help_text="Where the first step begins.")
    step = serializers.IntegerField(help_text="Seconds.")
    series = SeriesSerializer(many=True)


class TrafficQuery(serializers.Serializer[Any]):
    """The parameters."""

    since = serializers.DateTimeField(required=False)
    kind = serializers.RegexField(r"\A[a-z]{1,12}\Z", required=False)


class TrafficView(Base):
    """What the firewall counted, by subject: the busiest first."""

    permission_classes = (Needs,)
    required_permissions: ClassVar[tuple[str, ...]] = ("firewall.view_trafficsample",)

    @extend_schema(
        parameters=[
            OpenApiParameter("since", datetime, description="From when; a day ago if left out."),
            OpenApiParameter("kind", str, description="One kind alone."),
        ],
        responses=Traffic,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Columns of equal length; 90 days at most."""
        node = get_object_or_404(Node, slug=slug)
        unknown = sorted(set(request.query_params) - {"since", "kind"})
        if unknown:
            text = "is not a parameter here; write one of: kind, since"
            raise ValidationError({unknown[0][:80]: [ErrorDetail(text, code="unknown_parameter")]})
        query = TrafficQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        now = int(time.time())
        since = query.validated_data.get("since", timezone.now() - timedelta(days=1))
        first = max(int(since.timestamp()), now - traffic.KEEP_SECONDS)
        chart = traffic.chart(
            node, first, until=now, kind=query.validated_data.get("kind", ""), most=MOST_SERIES
        )
        names = Names(node)
        series = [
            {
                "kind": one.kind,
                "key": one.key,
                "name": names.subject(one.kind, one.key).text,
                "total": one.total,
                "packets": list(one.columns),
            }
            for one in chart.series
        ]
        body = {
            "since": datetime.fromtimestamp(chart.start, UTC),
            "step": chart.step,
            "series": series,
        }
        return Response(Traffic(body).data)
