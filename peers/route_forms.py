"""The route of a number as a form: steps in an order, each with the peers that ring."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from ddiweb.form_fields import limit
from peers import rules
from peers.choices import StepKind
from peers.forms import PhoneNumberField
from peers.models import (
    Mailbox,
    Number,
    OutgoingPolicy,
    Peer,
    Person,
    Schedule,
    Sound,
    Step,
    Trunk,
)
from peers.phone_list import PersonsField, PhonesField, offer, store_persons, store_phones

#: What a step may name, by field; each stands on the number's node.
OF_ITS_NODE = {
    "schedule": Schedule,
    "sound": Sound,
    "mailbox": Mailbox,
    "policy": OutgoingPolicy,
}


class NumberForm(forms.ModelForm):
    """A DDI; an existing one stays on its node, where its peers are."""

    class Meta:
        model = Number
        fields = (
            "trunk", "e164", "last", "label", "show", "enabled", "anonymous", "listed_only",
            "final",
        )  # fmt: skip
        field_classes: ClassVar = {"e164": PhoneNumberField, "last": PhoneNumberField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        trunk = self.fields.get("trunk")
        if not isinstance(trunk, forms.ModelChoiceField):
            return
        trunks = Trunk.objects.select_related("node")
        if self.instance.pk:
            trunks = trunks.filter(node_id=self.instance.trunk.node_id)
        trunk.queryset = trunks
        if not self.instance.pk and trunks.count() == 1:
            self.initial.setdefault("trunk", trunks.get().pk)


class StepForm(forms.ModelForm):
    """One step. Its position follows from the order; nobody has to keep numbers unique."""

    place = forms.IntegerField(
        label="Order",
        required=False,
        min_value=1,
        max_value=20,
        help_text="1 is first. Blank goes last.",
    )
    people = PersonsField(
        required=False, label="Persons", help_text="Each is rung on all their phones together."
    )
    phones = PhonesField(required=False, label="Phones")

    class Meta:
        model = Step
        fields = (
            "kind",
            "timeout",
            "cause",
            "schedule",
            "in_turn",
            "sound",
            "mailbox",
            "forward_to",
            "policy",
        )
        field_classes: ClassVar = {"forward_to": PhoneNumberField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["place"] = self.instance.position
            phones, persons = self.instance.places.all(), self.instance.person_places.all()
            self.initial["phones"] = [(one.peer_id, one.seconds) for one in phones]
            self.initial["people"] = [(one.person_id, one.seconds) for one in persons]

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        ringing = self.instance.kind == StepKind.RING
        store_phones(self.instance, self.cleaned_data["phones"] if ringing else [])
        store_persons(self.instance, self.cleaned_data["people"] if ringing else [])


class StepFormSet(forms.BaseInlineFormSet):
    """The whole route; checked as one, and numbered 1, 2, 3 … when it is saved."""

    def in_order(self) -> list[Any]:
        """The forms that will be steps, first to last."""
        kept = [
            form
            for form in self.forms
            if hasattr(form, "cleaned_data")
            and not form.cleaned_data.get("DELETE")
            and (form.instance.pk or form.has_changed())
        ]
        return sorted(kept, key=lambda form: form.cleaned_data.get("place") or 99)

    def clean(self) -> None:
        """Number the steps and refuse a route that could not be followed."""
        super().clean()
        forms_in_order = self.in_order()
        for position, form in enumerate(forms_in_order, start=1):
            form.instance.position = position
        if any(form.errors for form in self.forms) or not self.instance.trunk_id:
            return
        drafts = [
            rules.StepDraft(
                form.cleaned_data["kind"],
                [peer for peer, _ in form.cleaned_data.get("phones", [])],
                form.cleaned_data.get("schedule"),
                form.cleaned_data.get("sound"),
                form.cleaned_data.get("mailbox"),
                form.cleaned_data.get("forward_to", ""),
                form.cleaned_data.get("policy"),
                [person for person, _ in form.cleaned_data.get("people", [])],
            )
            for form in forms_in_order
        ]
        rules.route_is_whole(
            self.instance.trunk.node_id, enabled=self.instance.enabled, steps=drafts
        )

    def validate_unique(self) -> None:
        """Nothing to compare: positions are given by us."""

    def save(self, commit: bool = True) -> Any:
        """Save in an order in which no two steps ever share a position.

        Steps that stand where another one will go first step aside to a free position: there are
        20, and a route has at most 10 steps.
        """
        if not commit:
            raise ValidationError("a route is saved as a whole")
        steps = [form.instance for form in self.in_order()]
        wanted = {step.pk: step.position for step in steps if step.pk}
        held = dict(self.instance.steps.values_list("pk", "position"))
        aside = (spot for spot in range(20, len(steps), -1) if spot not in held.values())
        for pk, position in held.items():
            if position != wanted.get(pk) and position <= len(steps):
                Step.objects.filter(pk=pk).update(position=next(aside))
        saved = super().save()
        for pk, position in wanted.items():
            if held[pk] != position:
                Step.objects.filter(pk=pk).update(position=position)
        return saved


def offer_of_node(
    form: type[forms.ModelForm], number: Number | None, user: User | AnonymousUser
) -> None:
    """Offer what stands on the number's node, or all for a new number.

    Where there is nothing to choose, the field says so, and how ``user`` makes one.
    """
    peers = Peer.objects.select_related("node")
    persons = Person.objects.select_related("node").prefetch_related("phones")
    if number is not None:
        node = number.trunk.node_id
        peers, persons = peers.filter(node_id=node), persons.filter(node_id=node)
        for name, model in OF_ITS_NODE.items():
            limit(form.base_fields[name], model._default_manager.filter(node_id=node))
    for name in OF_ITS_NODE:
        _say_if_none(form.base_fields[name], number, user)
    offer(form.base_fields["phones"], peers)
    offer(form.base_fields["people"], persons)


def _say_if_none(field: forms.Field, number: Number | None, user: User | AnonymousUser) -> None:
    rows = field.queryset if isinstance(field, forms.ModelChoiceField) else None
    if rows is None or rows.exists():
        return
    meta = rows.model._meta
    how: str = "somebody who may must add one first."
    if user.has_perm(f"{meta.app_label}.add_{meta.model_name}"):
        place = reverse(f"admin:{meta.app_label}_{meta.model_name}_add")
        place += f"?node={number.trunk.node_id}" if number else ""
        how = format_html(
            '<a href="{}" target="_blank" rel="noopener">add one</a> in a new tab, then load this '
            "page anew.",
            place,
        )
    where = " on this node" if number else ""
    text = '{} <span class="none-yet">There is no {}{} yet: {}</span>'
    field.help_text = format_html(text, field.help_text, meta.verbose_name, where, how)
