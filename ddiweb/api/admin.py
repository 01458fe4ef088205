"""API tokens in the panel: seen and revoked here, made by ``manage.py apitoken create``."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ddiweb.admin_base import TitledAdmin
from ddiweb.api.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(TitledAdmin):
    """A list to delete from. Its keys are hashes, so there is nothing more to show of a token."""

    list_display = ("name", "user", "read_only", "created", "last_used_at", "expiry")
    list_display_links = None
    list_filter = ("read_only",)
    search_fields = ("name", "user__username")
    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made on the command line, where its value is shown once and kept by no browser."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a token may do is settled when it is made."""
        return False
