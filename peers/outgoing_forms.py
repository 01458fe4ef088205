"""Forms of outgoing policies and of a trunk's toll limits."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.form_fields import BoxList
from peers import rates_csv
from peers.forms import PhoneNumberField
from peers.models import OutgoingPolicy, OutgoingPrefix, OutgoingTrunk, Rate, TrunkToll
from peers.numbering.zones import choices, countries
from peers.outgoing_models import trunk_fault
from peers.realtime.outgoing import TRUNKS_MAX

PLACES = 20


class OutgoingPolicyForm(forms.ModelForm):
    """A policy; countries are ticked by their names."""

    country = forms.ChoiceField(choices=lambda: [("", "---------"), *countries()])
    zones = forms.MultipleChoiceField(
        label="Countries", choices=choices, widget=BoxList, required=False
    )

    class Meta:
        model = OutgoingPolicy
        fields = (
            "node", "name", "country", "number", "zones", "premium", "calls_max",
            "calls_a_minute", "minutes_a_day", "longest_call", "money_a_day", "emergency_trunk",
            "emergency_more",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("country", "zones"):
            column: Any = OutgoingPolicy._meta.get_field(name)
            self.fields[name].help_text = str(column.help_text)
        zones: Any = self.fields["zones"]
        # What is ticked stands first: the list is long.
        chosen = set(self.instance.zones)
        zones.choices = sorted(choices(), key=lambda one: one[0] not in chosen)


class OutgoingTrunkForm(forms.ModelForm):
    """One trunk of a policy, with its place."""

    class Meta:
        model = OutgoingTrunk
        fields = ("position", "trunk")


class OutgoingTrunkFormSet(forms.BaseInlineFormSet):
    """All trunks of a policy: of its node, and with a host to call."""

    def clean(self) -> None:
        """Refuse a trunk by which no call could go out, and more than Asterisk would try."""
        super().clean()
        count = 0
        for form in self.forms:
            data = getattr(form, "cleaned_data", {})
            if data.get("trunk") and not data.get("DELETE"):
                count += 1
                fault = trunk_fault(data["trunk"], self.instance.node_id)
                if fault:
                    form.add_error("trunk", fault)
        if count > TRUNKS_MAX:
            raise ValidationError(
                f"A policy has at most {TRUNKS_MAX} trunks; take {count - TRUNKS_MAX} out.",
                code="too_many_trunks",
            )


class OutgoingPrefixForm(forms.ModelForm):
    """Numbers beside the countries, as people write them."""

    class Meta:
        model = OutgoingPrefix
        fields = ("prefix", "allow", "note")
        field_classes: ClassVar = {"prefix": PhoneNumberField}


class TrunkTollForm(forms.ModelForm):
    """Limits of a trunk; a file replaces all rates."""

    rates_file = forms.FileField(
        label="Rates (CSV)",
        required=False,
        help_text="Replaces all rates. A line each: prefix, rate a minute, and if wanted the "
        "set-up fee and the seconds of which each begun piece is charged (60). Such as "
        "+4420,0.0125,0,60",
    )

    class Meta:
        model = TrunkToll
        fields = ("trunk", "calls_max", "calls_a_minute", "minutes_a_day", "money_a_day")

    def clean_rates_file(self) -> list[Rate]:
        """The rates that the file holds."""
        file = self.cleaned_data.get("rates_file")
        if not file:
            return []
        if file.size > rates_csv.BYTES_MAX:
            raise ValidationError("is larger than 2 MB; split it", code="too_large")
        try:
            return rates_csv.parse(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ValidationError("is not UTF-8; export it as such", code="not_utf8") from None

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        if self.cleaned_data["rates_file"]:
            replace_rates(self.instance, self.cleaned_data["rates_file"])


def replace_rates(toll: TrunkToll, rates: list[Rate]) -> None:
    """Make the trunk's rates those of a file."""
    toll.rates.all().delete()
    for rate in rates:
        rate.toll = toll
    Rate.objects.bulk_create(rates, batch_size=500)
