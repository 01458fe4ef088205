"""Schedule and ScheduleTime: the hours at which a step of a route is taken."""

from datetime import time
from typing import ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from peers.choices import Weekday
from peers.realtime.hours import DAY, ZONE, TimeFacts


def time_zone(value: str) -> None:
    """Refuse what the time zone database does not name."""
    if not ZONE.fullmatch(value) or value not in available_timezones():
        raise ValidationError(
            "is no time zone; write its place, such as Europe/London or America/New_York",
            code="time_zone",
        )


def known_days(value: object) -> None:
    """Accept a list of days of the week (1 is Monday), each once."""
    days = value if isinstance(value, list) else []
    known = all(type(day) is int and day in Weekday.values for day in days)
    if not days or not known or len(set(days)) != len(days):
        raise ValidationError("name at least one day, each once: 1 (Monday) to 7", code="days")


def working_days() -> list[int]:
    """Monday to Friday."""
    return [1, 2, 3, 4, 5]


class Schedule(models.Model):
    """Opening hours with holidays, in one time zone."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="schedules")
    name = models.CharField(
        max_length=80,
        validators=[validators.plain_text],
        help_text="What people call these hours, such as “Office”.",
    )
    zone = models.CharField(
        "time zone",
        max_length=64,
        default="Europe/London",
        validators=[time_zone],
        help_text="A place of the time zone database, such as Europe/London; its summer time is "
        "followed.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="schedule_name_once_a_node"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk."""
        return f"schedule_{self.pk}"


class ScheduleTime(models.Model):
    """One line of a schedule: hours of the week, or days with a date that override the week."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="times")
    open = models.BooleanField(
        default=True, help_text="Off: closed in these hours of a date, such as on a holiday."
    )
    days = models.JSONField(default=working_days, validators=[known_days])
    begin = models.TimeField("from", default=time(9))
    finish = models.TimeField(
        "to",
        default=time(17, 30),
        help_text="00:00 is the end of the day. Earlier than “from”: into the next day.",
    )
    first_date = models.DateField(
        "first date", null=True, blank=True, help_text="Blank: every week."
    )
    last_date = models.DateField(
        "last date", null=True, blank=True, help_text="Blank: the first date alone."
    )
    yearly = models.BooleanField(
        "each year", default=False, help_text="On the same dates in every year."
    )
    note = models.CharField(
        max_length=80,
        blank=True,
        validators=[validators.plain_text],
        help_text="Such as “Christmas”.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = [F("first_date").asc(nulls_first=True), "begin", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(open=True) | Q(first_date__isnull=False),
                name="closed_time_has_a_date",
                violation_error_message="Outside its hours a schedule is closed anyway: give a "
                "date on which it is closed too.",
            ),
            models.CheckConstraint(
                condition=Q(last_date__isnull=True) | Q(first_date__isnull=False),
                name="last_date_has_a_first",
                violation_error_message="Give the first date too.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule}, {'open' if self.open else 'closed'}"

    def clean(self) -> None:
        """Refuse a line that could not be followed."""
        try:
            known_days(self.days)
            self.facts()
        except (AttributeError, ValidationError):
            return  # a field holds no value; it has an error of its own
        except Refused as error:
            raise ValidationError(str(error).removeprefix("schedule."), code="times") from None

    def facts(self) -> TimeFacts:
        """The line for the renderer; raises Refused."""
        first, last = self.first_date, self.last_date or self.first_date
        form = "%m%d" if self.yearly else "%Y%m%d"
        if first and last and self.yearly and not 0 <= (last - first).days < 365:
            raise Refused("schedule.last_date: is not within a year; name the days of one year")
        return TimeFacts(
            open=self.open,
            days=tuple(sorted(self.days)),
            begin=_minutes(self.begin),
            finish=_minutes(self.finish) or DAY,
            first=first.strftime(form) if first else "",
            last=last.strftime(form) if last else "",
        )


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute
