"""Persons in the panel (registered by ``peers.admin``)."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ddiweb.admin_base import DeployingAdmin
from ddiweb.deploy.templatetags.panel import pill
from peers import passwords, phones
from peers.models import Peer, Person, StepPerson
from peers.person_forms import PersonForm


@admin.register(Person)
class PersonAdmin(DeployingAdmin):
    """Somebody with several phones."""

    form = PersonForm
    fixed = ("node",)
    list_display = ("name", "reached", "on", "rung", "node")
    list_filter = ("node",)
    search_fields = ("name", "phones__name", "phones__username")
    list_select_related = ("node",)
    fields = ("node", "name", "phones")
    change_form_template = "admin/peers/person/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        """Persons with their phones, and whether those are there."""
        known = Peer.objects.annotate(here=phones.is_registered())
        people: QuerySet[Person] = super().get_queryset(request)
        return people.prefetch_related(Prefetch("phones", known), "places__step__number")

    @admin.display(description="registered")
    def reached(self, person: Person) -> str:
        """How many of the phones are there."""
        every = list(person.phones.all())
        if not every:
            return pill("warn", "no phone")
        here = sum(_here(phone) for phone in every)
        tone = "good" if here else "quiet"
        return pill(tone, f"{here} of {len(every)} registered")

    @admin.display(description="phones")
    def on(self, person: Person) -> str | SafeString:
        """The phones by name, each a link."""
        rows = [
            (reverse("admin:peers_peer_change", args=[phone.pk]), phone.name)
            for phone in person.phones.all()
        ]
        return format_html_join(", ", '<a href="{}">{}</a>', rows)

    @admin.display(description="rung by")
    def rung(self, person: Person) -> str:
        """The numbers that ring this person."""
        return ", ".join(dict.fromkeys(str(one.step.number) for one in person.places.all()))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Which phones are there stands above the form."""
        person = context.get("original")
        if isinstance(person, Person):
            context["phones"] = [
                (phone, _here(phone), phones.status(phone), passwords.is_due(phone))
                for phone in person.phones.all()
            ]
            context["places"] = StepPerson.objects.filter(person=person).select_related(
                "step__number"
            )
        return super().render_change_form(request, context, *args, **kwargs)


def _here(phone: Peer) -> bool:
    return phone.enabled and bool(getattr(phone, "here", False))
