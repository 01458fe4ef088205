"""The section “Firewall” of a node's page: each option with what it costs, all off at first."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ddiweb.deploy.models import Node
from ddiweb.deploy.options import OPTIONS, country_codes

OPTION_FIELDSETS: tuple[tuple[str, Any], ...] = (
    (
        "Firewall: how phones reach it",
        {
            "fields": ("allow_tcp", "tls_port", "sip_domain", "iax_port", "countries"),
            "description": "SIP over UDP with a token is always there. Each further way is one "
            "more that strangers can knock at: open only what a phone of yours needs.",
        },
    ),
    (
        "Firewall: rules with a price",
        {
            "fields": ("throttle", "open_rtp"),
            "description": "Neither is needed: strangers without a token never reach Asterisk. "
            "Both can harm your own calls.",
        },
    ),
    (
        "Firewall: bans and trials",
        {
            "fields": ("ban_failures", "ban_window", "ban_seconds", "ban_online", "trial_seconds"),
            "description": "Who shows a token and a wrong password is banned for a while. "
            "Management networks and vendors never are.",
        },
    ),
)  # fmt: skip


class CountriesField(forms.CharField):
    """Country codes in one line: ``GB, FR``."""

    def prepare_value(self, value: Any) -> Any:
        """A stored list as a line."""
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The codes in capitals."""
        if isinstance(value, list):
            return value
        return [word.upper() for word in re.split(r"[\s,;]+", value or "") if word]

    def validate(self, value: Any) -> None:
        """Refuse what is no list of codes; raises ValidationError."""
        country_codes(value)

    def run_validators(self, value: Any) -> None:
        """A list has no length in characters."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the list is another one."""
        try:
            return bool(list(initial or []) != self.to_python(data))
        except ValidationError:
            return True


class NodeForm(forms.ModelForm):
    """A node with its options."""

    countries = CountriesField(
        required=False,
        max_length=2800,
        help_text=Node._meta.get_field("countries").help_text,
    )

    class Meta:
        model = Node
        fields = OPTIONS
