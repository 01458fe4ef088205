"""A person as a form: the name, and the phones of the node that are this person's."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Case, QuerySet, When

from ddiweb.form_fields import BoxList
from peers import person_rules
from peers.models import Peer, Person


class OwnPhonesField(forms.ModelMultipleChoiceField):
    """Phones, each with whose it is already."""

    widget = BoxList
    person_id: int | None = None

    def label_from_instance(self, obj: Any) -> str:
        """``Ada mobile (ada)``, with whose phone it is if it is another person's."""
        whose = f", of {obj.person}" if obj.person_id not in (None, self.person_id) else ""
        return f"{obj.name} ({obj.username}{whose})"


def store_phones(person: Person, phones: QuerySet[Peer] | list[Peer]) -> None:
    """Make ``phones``, and no others, the person's."""
    keys = [phone.pk for phone in phones]
    person.phones.exclude(pk__in=keys).update(person=None)
    Peer.objects.filter(pk__in=keys).update(person=person)


class PersonForm(forms.ModelForm):
    """Somebody, with phones that ring together."""

    phones = OwnPhonesField(
        queryset=Peer.objects.select_related("node", "person"),
        required=False,
        help_text="They ring together wherever a step rings this person; the first to answer gets "
        "the call. A phone is one person's at most.",
    )

    class Meta:
        model = Person
        fields = ("node", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            return
        self.initial["phones"] = [phone.pk for phone in self.instance.phones.all()]
        field = self.fields.get("phones")
        if isinstance(field, OwnPhonesField):
            rows = Peer.objects.select_related("node", "person")
            field.person_id = self.instance.pk
            # The person's own stand first: the list may be long.
            own = Case(When(person=self.instance, then=0), default=1)
            field.queryset = rows.filter(node_id=self.instance.node_id).order_by(own, "name")

    def clean(self) -> dict[str, Any]:
        """The phones are of the node and of nobody else, and no step is left without any."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        node = data.get("node") or (self.instance.node if self.instance.node_id else None)
        if node is not None and "phones" in data:
            try:
                person_rules.phones_are_the_persons_own(
                    node.pk, self.instance.pk, list(data["phones"])
                )
            except ValidationError as error:
                self.add_error("phones", error)
        return data

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]  # not in the stubs
        store_phones(self.instance, self.cleaned_data["phones"])
