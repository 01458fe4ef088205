"""Numbers and their routes in the panel (registered by ``peers.admin``)."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ddiweb.admin_base import DeployingAdmin, PlainFields
from peers import rules
from peers.choices import StepKind
from peers.models import Number, Step
from peers.route_forms import NumberForm, StepForm, StepFormSet, offer_of_node

#: What a ring step needs to be named.
RUNG = ("places__peer", "person_places__person__phones")


class StepInline(PlainFields, admin.StackedInline):
    """The route, first step to last."""

    model = Step
    form = StepForm
    formset = StepFormSet
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("place", "kind", "timeout", "cause", "mailbox", "sound", "schedule"),
                    ("forward_to", "policy"),
                    "in_turn",
                    "people",
                    "phones",
                )
            },
        ),
    )
    verbose_name = "step"
    verbose_name_plural = "Route: what happens when somebody calls"
    max_num = rules.MOST_STEPS

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty step for a new number."""
        return 0 if obj and obj.steps.exists() else 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        """Steps with their peers."""
        return super().get_queryset(request).prefetch_related(*RUNG)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Offer the peers of the number's node."""
        formset = super().get_formset(request, obj, **kwargs)
        if "phones" in formset.form.base_fields:
            offer_of_node(formset.form, obj, request.user)
        return formset


@admin.register(Number)
class NumberAdmin(DeployingAdmin):
    """A DDI with its route."""

    form = NumberForm
    inlines = (StepInline,)
    list_display = ("e164", "label", "route", "trunk", "node", "enabled")
    list_filter = ("enabled", "trunk", "trunk__node")
    search_fields = ("e164", "label", "trunk__name", "steps__peers__name", "steps__persons__name")
    list_select_related = ("trunk__node",)
    fieldsets = (
        (None, {"fields": ("trunk", ("e164", "last"), ("label", "show"), "enabled")}),
        ("Callers", {"fields": ("anonymous", "listed_only"), "classes": ("collapse",)}),
        ("If no step of the route below takes the call", {"fields": ("final",)}),
    )

    def node_ids(self, obj: Any) -> Iterable[int]:
        """The node of its trunk."""
        return [obj.trunk.node_id]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Number]:
        """Numbers with their routes."""
        return (
            super()
            .get_queryset(request)
            .prefetch_related(*(f"steps__{one}" for one in (*RUNG, "schedule", "sound", "mailbox")))
        )

    @admin.display(description="node", ordering="trunk__node")
    def node(self, number: Number) -> str:
        """Where it comes in."""
        return str(number.trunk.node)

    @admin.display(description="route")
    def route(self, number: Number) -> str:
        """The route in a line: ``Ada, Bob 25 s → Busy``."""
        parts = []
        for step in number.steps.all():
            if step.kind == StepKind.RING:
                text = ringing(step)
            elif step.kind == StepKind.ANNOUNCE:
                text = f"“{step.sound}”"
            elif step.kind == StepKind.FORWARD:
                text = f"{step.forward_to} for {step.timeout} s"
            elif step.kind == StepKind.VOICEMAIL:
                text = f"voicemail “{step.mailbox}”"
            else:
                text = step.get_cause_display()
            parts.append(f"{text} ({step.schedule})" if step.schedule else text)
        return " → ".join(parts) or "none"


def ringing(step: Step) -> str:
    """``Ada + Bob for 25 s``, or ``Ada 15 s, Bob 25 s`` where they ring in turn."""
    places = step.rung
    if step.in_turn:
        each = (f"{one.target.name} {one.seconds or step.timeout} s" for one in places)
        return ", ".join(each) or "nobody"
    return f"{' + '.join(one.target.name for one in places) or 'nobody'} for {step.timeout} s"
