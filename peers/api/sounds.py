"""Announcements and greetings over the API."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError as Invalid
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from ddiweb.api.errors import from_django
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, ResourceSerializer
from ddiweb.api.views import Resource, documented
from peers.api.serializers import node_field
from peers.models import Sound
from peers.sounds import convert
from peers.sounds.views import wav


class SoundSerializer(ResourceSerializer):
    """A recording that callers hear. It is sent as a form (multipart/form-data)."""

    node = node_field()
    file = serializers.FileField(
        write_only=True,
        required=False,
        help_text=f"WAV or MP3, at most {convert.MOST_BYTES // 2**20} MB and {convert.LONGEST} s.",
    )
    #: The file is taken by ``create`` and ``update``.
    nested = ("file",)

    class Meta:
        model = Sound
        fields: ClassVar[tuple[str, ...]] = ("id", "node", "name", "file", "seconds", "created_at")
        read_only_fields = ("seconds",)

    def check_rules(self, candidate: Sound, attrs: Attrs) -> None:
        """Convert the file before anything is written."""
        file = attrs.get("file")
        if file is None:
            if self.instance is None:
                text = "is missing; send a WAV or MP3 file"
                raise serializers.ValidationError(
                    {"file": [serializers.ErrorDetail(text, code="required")]}
                )
            return
        if file.size > convert.MOST_BYTES:
            text = f"is larger than {convert.MOST_BYTES // 2**20} MB; shorten it"
            raise serializers.ValidationError(
                {"file": [serializers.ErrorDetail(text, code="too_large")]}
            )
        try:
            candidate.take(file.read())
        except Invalid as error:
            raise from_django(Invalid({"file": error})) from None
        attrs["file"] = candidate

    def store_nested(self, instance: Sound, named: Attrs) -> None:
        """Save what ``check_rules`` converted."""
        made = named["file"]
        instance.audio, instance.digest = made.audio, made.digest
        instance.seconds = made.seconds
        instance.save(update_fields=["audio", "digest", "seconds"])


class SoundFilter(NodeFilter):
    """By node."""

    class Meta:
        model = Sound
        fields = ("node",)


@documented(SoundSerializer)
class SoundViewSet(Resource):
    """Announcements and greetings."""

    noun = "sound"
    queryset = Sound.objects.select_related("node")
    serializer_class = SoundSerializer
    filterset_class = SoundFilter
    ordering_fields = ("id", "name", "created_at")
    parser_classes = (MultiPartParser,)

    @extend_schema(responses={(200, "audio/wav"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="audio")
    def audio(self, request: Request, pk: Any = None) -> HttpResponse:
        """The recording as Asterisk plays it, a WAV file."""
        return wav(request._request, bytes(self.get_object().audio))
