"""The steps of a route: their shape, and what no step can mean."""

from typing import Any

from rest_framework import serializers

from ddiweb.api.fields import Choice, Text
from ddiweb.api.serializers import Attrs, Item
from ddiweb.validators import e164
from peers.choices import Cause, StepKind
from peers.models import Mailbox, OutgoingPolicy, Peer, Person, Schedule, Sound, Step
from peers.realtime.routes import TARGETS_MAX


def own_times(text: str) -> serializers.ListField:
    """Seconds of each that rings in turn."""
    return serializers.ListField(
        child=serializers.IntegerField(min_value=5, max_value=120, allow_null=True),
        required=False,
        default=list,
        max_length=TARGETS_MAX,
        help_text=text,
    )


class StepSerializer(Item):
    """One stage of a route; its place in the list is its place in the route."""

    kind = Choice(choices=StepKind.choices, default=StepKind.RING)
    peers = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        default=list,
        queryset=Peer.objects.select_related("node"),
        help_text="Which phones ring; in this order if in turn.",
    )
    persons = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        default=list,
        queryset=Person.objects.select_related("node").prefetch_related("phones"),
        help_text="Who is rung on all their phones; in turn they come before `peers`.",
    )
    in_turn = serializers.BooleanField(
        default=False,
        help_text="They ring one after the other: `persons`, each on all phones together, then "
        "`peers`. false: all at once.",
    )
    seconds = own_times("How long each phone rings in turn, one a phone; null: the step's timeout.")
    person_seconds = own_times("The same, one a person.")
    timeout = serializers.IntegerField(
        min_value=5, max_value=120, default=25, help_text="Seconds before the next step."
    )
    cause = Choice(
        choices=Cause.choices,
        default=Cause.UNAVAILABLE,
        help_text="What the caller of a rejected call is told.",
    )
    schedule = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Schedule.objects.select_related("node"),
        help_text="Outside these hours the step is passed over. null: at all hours.",
    )
    forward_to = Text(
        max_length=16,
        required=False,
        allow_blank=True,
        default="",
        validators=[e164],
        help_text="Whom a step that forwards calls, in E.164.",
    )
    policy = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=OutgoingPolicy.objects.select_related("node"),
        help_text="The outgoing policy by which it is called.",
    )
    mailbox = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Mailbox.objects.select_related("node"),
        help_text="Where voicemail is left.",
    )
    sound = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Sound.objects.select_related("node"),
        help_text="What an announcement plays.",
    )

    def to_representation(self, instance: Step) -> dict[str, Any]:
        """Its phones and persons in their order."""
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | {
            "peers": [place.peer_id for place in instance.places.all()],
            "persons": [place.person_id for place in instance.person_places.all()],
        }


#: The fields of a step that are rows of their own, with their times.
RUNG = ("peers", "seconds", "persons", "person_seconds")


def places(rows: list[Any], seconds: list[int | None]) -> list[tuple[Any, int | None]]:
    """Each row with its own time, if there are any."""
    return list(zip(rows, seconds or [None] * len(rows), strict=True))


def refuse_step(where: str, step: Attrs) -> None:
    """Refuse times that are not one each, and phones that would not ring."""
    for name, times in (("peers", "seconds"), ("persons", "person_seconds")):
        fault = ""
        if step[times] and len(step[times]) != len(step[name]):
            text, fault = f"are not one each of {name}; give one each, or none", times
        elif step["kind"] != StepKind.RING and step[name]:
            text, fault = f"only a step that rings has {name}; leave them out", name
        if fault:
            code = "seconds" if fault == times else name
            raise serializers.ValidationError(
                {f"{where}.{fault}": [serializers.ErrorDetail(text, code=code)]}
            )
