"""The directory of callers' names in the panel (registered by ``peers.admin``)."""

from typing import ClassVar

from django import forms
from django.contrib import admin

from ddiweb.admin_base import DeployingAdmin
from peers.forms import PhoneNumberField
from peers.models import CallerName


class CallerNameForm(forms.ModelForm):
    """A name, with the number as people write it."""

    class Meta:
        model = CallerName
        fields = ("node", "e164", "name")
        field_classes: ClassVar = {"e164": PhoneNumberField}


@admin.register(CallerName)
class CallerNameAdmin(DeployingAdmin):
    """Whose number it is."""

    form = CallerNameForm
    fixed = ("node",)
    list_display = ("name", "e164", "node")
    list_filter = ("node",)
    search_fields = ("name", "e164")
    list_select_related = ("node",)
