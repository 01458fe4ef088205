"""Opening hours in the panel (registered by ``peers.admin``)."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from ddiweb.admin_base import DeployingAdmin, PlainFields
from peers.choices import Weekday
from peers.models import Schedule, ScheduleTime
from peers.realtime.hours import LINES_MAX
from peers.schedule_models import working_days

#: Half of what the dialplan asks: a night or a turn of the year becomes two lines there.
MOST_TIMES = LINES_MAX // 2


class ScheduleTimeForm(forms.ModelForm):
    """One line."""

    days = forms.TypedMultipleChoiceField(
        choices=Weekday.choices,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        initial=working_days,
        error_messages={"required": "Tick at least one day."},
    )

    class Meta:
        model = ScheduleTime
        fields = (
            "open", "days", "begin", "finish", "first_date", "last_date", "yearly", "note",
        )  # fmt: skip
        widgets: ClassVar = {
            "begin": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "finish": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "first_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "last_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def has_changed(self) -> bool:
        """A new line is meant as it stands: an office week needs no change to be wanted."""
        return self.instance.pk is None or super().has_changed()


class ScheduleTimeFormSet(forms.BaseInlineFormSet):
    """All lines of one schedule."""

    def clean(self) -> None:
        """Refuse more lines than a call would wait for."""
        super().clean()
        drafts = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        if sum(1 for one in drafts if one and not one.get("DELETE")) > MOST_TIMES:
            raise ValidationError(
                f"A schedule has at most {MOST_TIMES} lines; take some out.", code="too_many"
            )


class ScheduleTimeInline(PlainFields, admin.StackedInline):
    """The week, and the days that are different."""

    model = ScheduleTime
    form = ScheduleTimeForm
    formset = ScheduleTimeFormSet
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("open", "begin", "finish"),
                    "days",
                    ("first_date", "last_date", "yearly"),
                    "note",
                )
            },
        ),
    )
    verbose_name = "line"
    verbose_name_plural = "Hours: lines with a date override the week, the shortest span first"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty line for a new schedule."""
        return 0 if obj else 1


@admin.register(Schedule)
class ScheduleAdmin(DeployingAdmin):
    """Opening hours with holidays; steps of routes refer to them."""

    fixed = ("node",)
    fields = ("node", "name", "zone")
    inlines = (ScheduleTimeInline,)
    list_display = ("name", "hours", "zone", "node")
    list_filter = ("node",)
    search_fields = ("name", "zone", "times__note")
    list_select_related = ("node",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Schedules with their lines."""
        found: QuerySet[Schedule] = super().get_queryset(request).prefetch_related("times")
        return found

    @admin.display(description="hours")
    def hours(self, schedule: Schedule) -> str:
        """The week in a line, and how many days are different: ``Mon-Fri 09:00-17:30; 2 dates``."""
        lines = list(schedule.times.all())
        week = [f"{_days(one.days)} {one.begin:%H:%M}-{one.finish:%H:%M}" for one in lines
                if one.first_date is None]  # fmt: skip
        dated = len(lines) - len(week)
        parts = [", ".join(week)] if week else []
        if dated:
            parts.append("1 date" if dated == 1 else f"{dated} dates")
        return "; ".join(parts) or "always closed"


def _days(days: list[int]) -> str:
    """``Mon-Fri``, or each day."""
    ordered = sorted(days)
    names = [str(Weekday(day).label) for day in ordered]
    together = len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1
    return f"{names[0]}-{names[-1]}" if together else " ".join(names)
