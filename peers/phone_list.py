"""Who rings in a step as a form field: which phones or persons, in which order, how long."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from ddiweb.form_fields import OrderedChoices
from peers.models import Peer, Person, Step, StepPeer, StepPerson

#: A phone or a person, and the own seconds where they ring in turn (None: the step's).
Place = tuple[Any, int | None]
SHORTEST, LONGEST = 5, 120  # seconds


class PhoneList(OrderedChoices):
    """Boxes in an order that the person can change, each with a box for its seconds."""

    template_name = "widgets/phone_list.html"
    option_template_name = "widgets/phone_list_item.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]]:
        """Return each ticked key in the order of the page, with what its seconds say."""
        keys = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
        return [(key, data.get(f"{name}-seconds-{key}", "")) for key in keys]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Tick what is chosen and fill in its seconds."""
        chosen = {str(key): seconds for key, seconds in value or []}
        context: dict[str, Any] = super().get_context(name, list(chosen), attrs)
        for _, options, _ in context["widget"]["optgroups"]:
            for option in options:
                option["seconds"] = chosen.get(str(option["value"])) or ""
        return context


class PlacesField(forms.Field):
    """Rows of a node, in an order."""

    widget = PhoneList
    several_nodes = False
    queryset: QuerySet[Any]
    noun = ""

    def offer(self, rows: QuerySet[Any]) -> None:
        """Offer ``rows`` by name; with the node's name where there are several nodes."""
        self.queryset = rows
        nodes = rows.order_by("node_id").values_list("node_id", flat=True).distinct()
        self.several_nodes = nodes.count() > 1
        self.widget.choices = [(row.pk, self._label(row)) for row in rows]

    def _label(self, row: Any) -> str:
        node = f" on {row.node}" if self.several_nodes else ""
        return f"{row.name} ({self.details(row)}){node}"

    def details(self, row: Any) -> str:
        """What stands in brackets behind the name."""
        raise NotImplementedError

    def to_python(self, value: Sequence[tuple[str, str]] | None) -> list[Place]:
        """Return rows and seconds; raises ValidationError for another key or another time."""
        pairs = dict(value or [])
        known = {str(row.pk): row for row in self.queryset.filter(pk__in=_keys(pairs))}
        places: list[Place] = []
        for key, text in pairs.items():
            if key not in known:
                raise ValidationError(
                    f"is no {self.noun} of this node; choose another", code=f"no_{self.noun}"
                )
            places.append((known[key], _seconds(text)))
        return places

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another order is another value."""
        before = [(str(key), str(seconds or "")) for key, seconds in initial or []]
        return before != [(str(key), str(text or "").strip()) for key, text in data or []]


class PhonesField(PlacesField):
    """Phones."""

    noun = "phone"
    queryset: QuerySet[Peer] = Peer.objects.none()

    def details(self, row: Peer) -> str:
        """The name it signs in with."""
        return row.username if row.enabled else f"{row.username}, switched off"


class PersonsField(PlacesField):
    """Persons."""

    noun = "person"
    queryset: QuerySet[Person] = Person.objects.none()

    def details(self, row: Person) -> str:
        """The phones that ring."""
        return ", ".join(phone.name for phone in row.phones.all()) or "no phone"


def _keys(values: Iterable[str]) -> list[int]:
    return [int(value) for value in values if value.isascii() and value.isdigit()][:1000]


def _seconds(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and SHORTEST <= int(text[:9]) <= LONGEST):
        raise ValidationError(
            f"the own time is {SHORTEST} to {LONGEST} seconds, or blank", code="seconds"
        )
    return int(text)


def offer(field: forms.Field, rows: QuerySet[Any]) -> None:
    """Offer ``rows`` in a form's field."""
    if isinstance(field, PlacesField):
        field.offer(rows)


def store_phones(step: Step, places: Iterable[Place]) -> None:
    """Replace the phones of ``step``."""
    step.places.all().delete()
    StepPeer.objects.bulk_create(
        StepPeer(step=step, peer=peer, place=place, seconds=seconds)
        for place, (peer, seconds) in enumerate(places, start=1)
    )


def store_persons(step: Step, places: Iterable[Place]) -> None:
    """Replace the persons of ``step``."""
    step.person_places.all().delete()
    StepPerson.objects.bulk_create(
        StepPerson(step=step, person=person, place=place, seconds=seconds)
        for place, (person, seconds) in enumerate(places, start=1)
    )
