"""Look-ups of callers' names in the panel (registered by ``peers.admin``)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from ddiweb.admin_base import DeployingAdmin
from ddiweb.deploy.errors import Refused
from ddiweb.deploy.templatetags.panel import ago, pill
from ddiweb.form_fields import SecretField, SecretForm
from ddiweb.validators import e164
from peers import name_trials
from peers.choices import SignIn
from peers.forms import PhoneNumberField
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


class TrialForm(forms.Form):
    """Whose name is asked for."""

    number = PhoneNumberField(validators=[e164])


@admin.register(NameLookup)
class NameLookupAdmin(DeployingAdmin):
    """Whom the node asks for names."""

    form = NameLookupForm
    change_form_template = "admin/peers/namelookup/change_form.html"
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

    def get_urls(self) -> list[URLPattern]:
        """“Try it” beside the usual pages."""
        view = self.admin_site.admin_view(require_POST(self.try_view))
        return [path("<int:pk>/try/", view, name="peers_namelookup_try"), *super().get_urls()]

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have the watch ask for one number; the page of the look-up shows what came of it."""
        row = get_object_or_404(NameLookup.objects.select_related("node"), pk=pk)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        form = TrialForm(request.POST)
        if form.is_valid():
            try:
                name_trials.wait(name_trials.ask(row, form.cleaned_data["number"], request.user))
            except Refused as error:
                messages.error(request, f"Nothing was asked: {error}.")
        else:
            faults = " ".join(str(fault) for fault in form.errors["number"])
            messages.error(request, f"Nothing was asked. The number: {faults}")
        return HttpResponseRedirect(reverse("admin:peers_namelookup_change", args=[pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """What came of the last trial stands above the form."""
        row = context.get("original")
        if isinstance(row, NameLookup):
            context |= {
                "may_try": self.has_change_permission(request, row),
                "trial": row.trials.select_related("asked_by").first(),
                "most": name_trials.MOST_A_MINUTE,
            }
        return super().render_change_form(request, context, *args, **kwargs)

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
