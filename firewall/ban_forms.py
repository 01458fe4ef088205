"""The form of a ban: whom, why and for how long."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.form_fields import CidrField
from firewall import bans
from firewall.ban_models import Ban

DAY = 86_400
LENGTHS = [
    ("3600", "1 hour"),
    (str(DAY), "1 day"),
    (str(7 * DAY), "7 days"),
    (str(31 * DAY), "31 days"),
    ("", "until I let it in again"),
]


class BanForm(forms.ModelForm):
    """A new ban. ``who`` and ``own_address`` are set by the page."""

    cidr = CidrField(
        label="Address or network",
        max_length=43,
        help_text="Such as 198.51.100.7 or 2001:db8:1:2::/64. A ban for a time is a /24 (IPv6: "
        "a /48) or narrower.",
    )
    seconds = forms.ChoiceField(
        label="For how long",
        choices=LENGTHS,
        required=False,
        initial=str(DAY),
        help_text="Without an end it becomes part of the node's ruleset.",
    )

    who: Any = None
    own_address = ""
    made: Ban | None = None

    class Meta:
        model = Ban
        fields: ClassVar[Any] = ("node", "cidr", "reason", "seconds", "note")

    def _post_clean(self) -> None:
        """Ban within the form's check: what is refused is shown at its field."""
        if self.errors:
            return
        data = self.cleaned_data
        try:
            self.made = bans.ban(
                data["node"],
                data["cidr"],
                data["reason"],
                int(data["seconds"]) if data["seconds"] else None,
                user=self.who,
                note=data["note"],
                own_address=self.own_address,
            )
        except ValidationError as error:
            faults = error.error_dict if hasattr(error, "error_dict") else {}
            shown = {name if name in self.fields else "seconds": e for name, e in faults.items()}
            self.add_error(None, ValidationError(shown) if shown else error)
        else:
            self.instance = self.made

    def save(self, commit: bool = True) -> Ban:
        """It was stored when it was checked, in the same transaction."""
        self.save_m2m = lambda: None  # type: ignore[method-assign]
        assert self.made is not None  # noqa: S101 - the check came first
        return self.made
