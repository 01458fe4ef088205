"""Mailboxes and their messages in the panel (registered by ``peers.admin``)."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ddiweb.admin_base import DeployingAdmin, ReadOnlyAdmin
from ddiweb.deploy.templatetags.panel import pill
from peers.admin_sounds import player
from peers.mailbox_forms import MailboxForm
from peers.models import Mailbox, VoiceMessage
from peers.sounds.views import wav
from peers.voicemail import wishes


@admin.register(Mailbox)
class MailboxAdmin(DeployingAdmin):
    """Where callers leave messages."""

    form = MailboxForm
    fixed = ("node",)
    list_display = ("name", "waiting", "email", "phones", "node")
    list_filter = ("node",)
    search_fields = ("name", "email", "peers__name")
    list_select_related = ("node",)
    fieldsets = (
        (None, {"fields": ("node", "name", "greeting", "peers")}),
        ("E-mail", {"fields": ("email", "attach")}),
        ("Limits", {"fields": ("longest", "keep_days"), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mailbox]:
        """Mailboxes with their phones and the count of their messages."""
        boxes: QuerySet[Mailbox] = super().get_queryset(request).prefetch_related("peers")
        counted: QuerySet[Mailbox] = boxes.annotate(
            all_count=Count("messages", distinct=True),
            new_count=Count("messages", filter=Q(messages__folder="INBOX"), distinct=True),
        )
        return counted

    @admin.display(description="messages", ordering="new_count")
    def waiting(self, box: Mailbox) -> SafeString:
        """How many are new, of how many; a link to them."""
        new, every = getattr(box, "new_count", 0), getattr(box, "all_count", 0)
        url = reverse("admin:peers_voicemessage_changelist") + f"?mailbox__id__exact={box.pk}"
        return format_html('<a href="{}">{} new of {}</a>', url, new, every)

    @admin.display(description="phones")
    def phones(self, box: Mailbox) -> str:
        """Whose lamp it lights."""
        return ", ".join(peer.name for peer in box.peers.all()) or "none"


@admin.register(VoiceMessage)
class VoiceMessageAdmin(ReadOnlyAdmin):
    """Messages: to listen to, and to delete."""

    list_display = ("received_at", "listen", "caller", "number", "mailbox", "length", "standing")
    list_filter = ("mailbox", "folder")
    search_fields = ("caller", "number", "mailbox__name")
    list_select_related = ("mailbox",)
    actions = ("remove",)
    fields = ("received_at", "caller", "number", "mailbox", "length", "standing", "mail", "listen")
    readonly_fields = fields

    @admin.display(description="length", ordering="seconds")
    def length(self, row: VoiceMessage) -> str:
        """In seconds."""
        return f"{row.seconds} s"

    @admin.display(description="state", ordering="folder")
    def standing(self, row: VoiceMessage) -> SafeString:
        """New, heard, or going."""
        if row.removing:
            return pill("warn", "being deleted")
        return pill("quiet", "heard") if row.heard else pill("good", "new")

    @admin.display(description="e-mail")
    def mail(self, row: VoiceMessage) -> str:
        """What became of it."""
        if row.mailed_at:
            return f"sent {row.mailed_at:%Y-%m-%d %H:%M}"
        if row.mail_error:
            again = "tried again" if row.mail_due_at else "given up"
            return f"not sent, {again}: {row.mail_error}"
        return "to be sent" if row.mail_due_at else "none"

    @admin.display(description="listen")
    def listen(self, row: VoiceMessage) -> SafeString:
        """A player."""
        return player(reverse("admin:peers_voicemessage_audio", args=[row.pk]))

    @admin.action(description="Delete the chosen messages", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[VoiceMessage]) -> None:
        """Ask the node to delete them; they vanish from here once it has."""
        count = wishes.remove(queryset)
        self.message_user(request, f"{count} messages are being deleted.")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Who may delete messages."""
        return request.user.has_perm("peers.delete_voicemessage")

    def get_urls(self) -> list[URLPattern]:
        """The audio beside the usual pages."""
        own = path(
            "<int:pk>/audio.wav",
            self.admin_site.admin_view(self.audio),
            name="peers_voicemessage_audio",
        )
        return [own, *super().get_urls()]

    def audio(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The recording, for those who may see the page."""
        row: Any = get_object_or_404(VoiceMessage, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return wav(request, bytes(row.audio))
