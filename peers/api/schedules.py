"""Opening hours over the API."""

from datetime import time
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from ddiweb.api.errors import Conflict, from_django
from ddiweb.api.fields import Text
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, Item, ResourceSerializer
from ddiweb.api.views import Resource, documented
from ddiweb.deploy.models import Deployment
from peers.admin_schedules import MOST_TIMES
from peers.api.serializers import node_field
from peers.choices import Weekday
from peers.models import Schedule, ScheduleTime
from peers.schedule_models import working_days


class TimeSerializer(Item):
    """One line: hours of the week, or days with a date that override the week."""

    open = serializers.BooleanField(default=True, help_text="false: closed; it needs a date.")
    days = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=7),
        default=working_days,
        allow_empty=False,
        max_length=len(Weekday),
        help_text="1 is Monday.",
    )
    begin = serializers.TimeField(default=time(9), format="%H:%M", input_formats=["%H:%M"])
    finish = serializers.TimeField(
        default=time(17, 30),
        format="%H:%M",
        input_formats=["%H:%M"],
        help_text="00:00 is the end of the day; earlier than begin: into the next day.",
    )
    first_date = serializers.DateField(default=None, allow_null=True)
    last_date = serializers.DateField(
        default=None, allow_null=True, help_text="null: the first date alone."
    )
    yearly = serializers.BooleanField(default=False)
    note = Text(max_length=80, required=False, allow_blank=True, default="")


class ScheduleSerializer(ResourceSerializer):
    """Opening hours with holidays, in one time zone."""

    nested = ("times",)
    node = node_field()
    times = TimeSerializer(
        many=True,
        required=False,
        max_length=MOST_TIMES,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="Replaced as a whole if named. Lines with a date override the week.",
    )

    class Meta:
        model = Schedule
        fields: ClassVar[tuple[str, ...]] = ("id", "key", "node", "name", "zone", "times")

    def check_rules(self, candidate: Schedule, attrs: Attrs) -> None:
        """Each line can be followed."""
        for index, line in enumerate(attrs.get("times", ())):
            row = ScheduleTime(schedule=candidate, **line)
            try:
                row.full_clean(exclude=["schedule"], validate_unique=False)
            except DjangoValidationError as error:
                fault = from_django(error).detail
                raise serializers.ValidationError({f"times.{index}": fault}) from None

    def store_nested(self, instance: Schedule, named: Attrs) -> None:
        """Replace the lines."""
        instance.times.all().delete()
        for line in named["times"]:
            ScheduleTime.objects.create(schedule=instance, **line)


class ScheduleFilter(NodeFilter):
    """By node and name."""

    class Meta:
        model = Schedule
        fields = ("node", "name")


@documented(ScheduleSerializer)
class ScheduleViewSet(Resource):
    """Hours at which steps of routes are taken."""

    noun = "schedule"
    queryset = Schedule.objects.select_related("node").prefetch_related("times")
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilter
    ordering_fields = ("id", "name")

    def remove(self, row: Any) -> Deployment | None:
        """Delete it, unless a route keeps to it."""
        steps = row.steps.select_related("number")[:5]
        if steps:
            names = ", ".join(f"{step.number} (step {step.position})" for step in steps)
            raise Conflict(f"{names} keeps to these hours; change the route first.")
        return super().remove(row)
