"""Blocked and allowed callers in the panel (registered by ``peers.admin``)."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin

from ddiweb.admin_base import DeployingAdmin
from ddiweb.deploy.templatetags.panel import pill
from peers.forms import PhoneNumberField
from peers.models import CallerRule


class CallerRuleForm(forms.ModelForm):
    """A rule, with the number as people write it."""

    class Meta:
        model = CallerRule
        fields = ("node", "prefix", "allow", "number", "note")
        field_classes: ClassVar = {"prefix": PhoneNumberField}


@admin.register(CallerRule)
class CallerRuleAdmin(DeployingAdmin):
    """Who may ring which number."""

    form = CallerRuleForm
    fixed = ("node",)
    list_display = ("prefix", "effect", "concerns", "note", "node")
    list_filter = ("allow", "node")
    search_fields = ("prefix", "note", "number__e164", "number__label")
    list_select_related = ("node", "number")

    @admin.display(description="effect", ordering="allow")
    def effect(self, rule: CallerRule) -> str:
        """Whether such a caller gets through."""
        return pill("good", "allowed") if rule.allow else pill("bad", "blocked")

    @admin.display(description="number", ordering="number")
    def concerns(self, rule: CallerRule) -> Any:
        """The number, or all of them."""
        return rule.number or "every number"
