"""Look-ups of callers' names in the panel (registered by ``peers.admin``)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ddiweb.admin_base import DeployingAdmin
from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.form_fields import SecretField, SecretForm
from peers.choices import SignIn
from peers.models import NameLookup
from peers.name_lookup_models import key_stays, lookup_secret


class NameLookupForm(SecretForm):
    """An outside service; its key goes in and never comes out."""

    secrets: Sequence[str] = ("secret",)
    secret = SecretField(
        label="Password or key",
        validators=[lookup_secret],
        help_text="It is stored encrypted and never shown; “Nothing” above removes it.",
    )

    class Meta:
        model = NameLookup
        fields = (
            "node", "enabled", "url", "sign_in", "username", "secret", "json_field", "timeout",
            "keep_hours", "a_minute", "private_allowed",
        )  # fmt: skip

    def clean_secret(self) -> str:
        """Blank keeps what is stored, as long as the same service is signed in to."""
        if self.cleaned_data.get("sign_in") == SignIn.NONE:
            return ""
        given = str(self.cleaned_data["secret"])
        if not given and "url" in self.cleaned_data:
            key_stays(self.instance, self.cleaned_data["url"])
        return self.keep("secret", given)


@admin.register(NameLookup)
class NameLookupAdmin(DeployingAdmin):
    """Whom the node asks for names."""

    form = NameLookupForm
    fixed = ("node",)
    list_display = ("node", "host", "standing", "enabled")
    list_select_related = ("node",)
    readonly_fields = ("standing",)
    fieldsets: ClassVar = (
        (None, {"fields": ("node", "enabled", "url", "json_field", "standing")}),
        ("Signing in", {"fields": ("sign_in", "username", "secret")}),
        ("Limits", {"fields": ("timeout", "keep_hours", "a_minute", "private_allowed")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """How it fares is known of an existing one only."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [
            (name, options | {"fields": [one for one in options["fields"] if one != "standing"]})
            for name, options in self.fieldsets
        ]

    @admin.display(description="service")
    def host(self, row: NameLookup) -> str:
        """Whom, without the rest of the address."""
        return row.url.split("/")[2]

    @admin.display(description="how it fares")
    def standing(self, row: NameLookup) -> str | SafeString:
        """When it answered, or what is wrong since when."""
        if not row.enabled:
            return pill("off", "switched off")
        if row.last_error:
            since = pill("warn", f"failing, began {ago(row.failing_since)}")
            return format_html("{} {}", since, row.last_error)
        if row.answered_at:
            return format_html("{} {}", pill("good", "answers"), ago(row.answered_at))
        return pill("quiet", "not asked yet")
