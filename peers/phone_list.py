"""The phones of a ring step as one form field: which ones, in which order, for how long."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from ddiweb.form_fields import OrderedChoices
from peers.models import Peer, Step, StepPeer

#: A phone, and its own seconds where it rings in turn (None: the step's).
Place = tuple[Peer, int | None]
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


class PhonesField(forms.Field):
    """Phones of a node, in an order."""

    widget = PhoneList
    several_nodes = False
    queryset: QuerySet[Peer] = Peer.objects.none()

    def offer(self, peers: QuerySet[Peer]) -> None:
        """Offer ``peers`` by name; with the node's name where there are several nodes."""
        self.queryset = peers
        nodes = peers.order_by("node_id").values_list("node_id", flat=True).distinct()
        self.several_nodes = nodes.count() > 1
        self.widget.choices = [(peer.pk, self._label(peer)) for peer in peers]

    def _label(self, peer: Peer) -> str:
        off = "" if peer.enabled else ", switched off"
        node = f" on {peer.node}" if self.several_nodes else ""
        return f"{peer.name} ({peer.username}{off}){node}"

    def to_python(self, value: Sequence[tuple[str, str]] | None) -> list[Place]:
        """Return peers and seconds; raises ValidationError for another key or another time."""
        pairs = dict(value or [])
        known = {str(peer.pk): peer for peer in self.queryset.filter(pk__in=_keys(pairs))}
        places: list[Place] = []
        for key, text in pairs.items():
            if key not in known:
                raise ValidationError("is no phone of this node; choose another", code="no_peer")
            places.append((known[key], _seconds(text)))
        return places

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another order is another value."""
        before = [(str(key), str(seconds or "")) for key, seconds in initial or []]
        return before != [(str(key), str(text or "").strip()) for key, text in data or []]


def _keys(values: Iterable[str]) -> list[int]:
    return [int(value) for value in values if value.isascii() and value.isdigit()][:1000]


def _seconds(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and SHORTEST <= int(text[:9]) <= LONGEST):
        raise ValidationError(
            f"a phone's own time is {SHORTEST} to {LONGEST} seconds, or blank", code="seconds"
        )
    return int(text)


def offer_phones(field: forms.Field, peers: QuerySet[Peer]) -> None:
    """Offer ``peers`` in a form's field."""
    if isinstance(field, PhonesField):
        field.offer(peers)


def store_phones(step: Step, places: Iterable[Place]) -> None:
    """Replace the phones of ``step``."""
    step.places.all().delete()
    StepPeer.objects.bulk_create(
        StepPeer(step=step, peer=peer, place=place, seconds=seconds)
        for place, (peer, seconds) in enumerate(places, start=1)
    )
