"""Announcements and greetings in the panel (registered by ``peers.admin``)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ddiweb.admin_base import DeployingAdmin
from peers.models import Sound
from peers.sounds import convert
from peers.sounds.views import wav


class SoundForm(forms.ModelForm):
    """A sound, with its file."""

    file = forms.FileField(
        required=False,
        label="File",
        widget=forms.FileInput(attrs={"accept": ".wav,.mp3,audio/wav,audio/mpeg"}),
        help_text=f"WAV or MP3, at most {convert.MOST_BYTES // 2**20} MB and {convert.LONGEST} "
        "seconds. It is converted to what a telephone can carry.",
    )

    class Meta:
        model = Sound
        fields = ("node", "name")

    def clean_file(self) -> Any:
        """Convert it now, so that a bad one is refused here; blank keeps what is stored."""
        file = self.cleaned_data["file"]
        if file is None:
            if not self.instance.digest:
                raise forms.ValidationError("Choose a file: WAV or MP3.", code="required")
            return None
        if file.size > convert.MOST_BYTES:
            size = convert.MOST_BYTES // 2**20
            raise forms.ValidationError(f"is larger than {size} MB; shorten it", code="too_large")
        self.instance.take(file.read())
        return file


@admin.register(Sound)
class SoundAdmin(DeployingAdmin):
    """What callers hear, to be listened to before they do."""

    form = SoundForm
    fixed = ("node",)
    list_display = ("name", "length", "listen", "node")
    list_filter = ("node",)
    search_fields = ("name",)
    list_select_related = ("node",)
    fields = ("node", "name", "file", "listen")
    readonly_fields = ("listen",)

    @admin.display(description="length", ordering="seconds")
    def length(self, sound: Sound) -> str:
        """In seconds."""
        return f"{sound.seconds:g} s"

    @admin.display(description="listen")
    def listen(self, sound: Sound) -> str | SafeString:
        """A player."""
        if not sound.digest or not sound.pk:
            return "after it is saved"
        return player(reverse("admin:peers_sound_audio", args=[sound.pk]))

    def get_urls(self) -> list[URLPattern]:
        """The audio beside the usual pages."""
        own = path(
            "<int:pk>/audio.wav", self.admin_site.admin_view(self.audio), name="peers_sound_audio"
        )
        return [own, *super().get_urls()]

    def audio(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The file, for those who may see the page."""
        sound = get_object_or_404(Sound, pk=pk)
        if not self.has_view_permission(request, sound):
            raise PermissionDenied
        return wav(request, bytes(sound.audio))


def player(url: str) -> SafeString:
    """An audio element that loads nothing until it is played."""
    return format_html('<audio controls preload="none" src="{}"></audio>', url)
