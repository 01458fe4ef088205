"""The route of a number as a form: steps in an order, each with the peers that ring."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.form_fields import BoxList, limit
from peers import rules
from peers.choices import StepKind
from peers.forms import PhoneNumberField
from peers.models import Number, Peer, Schedule, Step, Trunk


class NumberForm(forms.ModelForm):
    """A DDI; an existing one stays on its node, where its peers are."""

    class Meta:
        model = Number
        fields = ("trunk", "e164", "label", "enabled", "reject_anonymous", "listed_only")
        field_classes: ClassVar = {"e164": PhoneNumberField}

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


class PeerChoices(forms.ModelMultipleChoiceField):
    """Peers by name; with the node's name where there are several nodes."""

    several_nodes = False

    def label_from_instance(self, obj: Any) -> str:
        """``Ada mobile (ada)``, or ``Ada mobile (ada) on London``."""
        off = "" if obj.enabled else ", switched off"
        node = f" on {obj.node}" if self.several_nodes else ""
        return f"{obj.name} ({obj.username}{off}){node}"


class StepForm(forms.ModelForm):
    """One step. Its position follows from the order; nobody has to keep numbers unique."""

    place = forms.IntegerField(
        label="Order",
        required=False,
        min_value=1,
        max_value=20,
        help_text="1 is first. Blank goes last.",
    )
    peers = PeerChoices(
        queryset=Peer.objects.none(),
        widget=BoxList,
        required=False,
        label="Phones",
        help_text="They ring all at once; the first one to answer has the call.",
    )

    class Meta:
        model = Step
        fields = ("kind", "timeout", "cause", "schedule")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["place"] = self.instance.position
            self.initial["peers"] = [peer.pk for peer in self.instance.peers.all()]

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        ringing = self.instance.kind == StepKind.RING
        self.instance.peers.set(self.cleaned_data["peers"] if ringing else [])


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
                list(form.cleaned_data.get("peers", [])),
                form.cleaned_data.get("schedule"),
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


def offer_peers(form: type[forms.ModelForm], number: Number | None) -> None:
    """Offer the peers and hours of the number's node, or all for a new number."""
    field = form.base_fields["peers"]
    peers = Peer.objects.select_related("node")
    if number is not None:
        peers = peers.filter(node_id=number.trunk.node_id)
        limit(form.base_fields["schedule"], Schedule.objects.filter(node_id=number.trunk.node_id))
    if isinstance(field, PeerChoices):
        field.queryset = peers
        nodes = peers.order_by("node_id").values_list("node_id", flat=True).distinct()
        field.several_nodes = nodes.count() > 1
