"""Mailboxes and their messages over the API."""

from typing import Any, ClassVar

import django_filters
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.fields import rule
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, ResourceSerializer
from ddiweb.api.views import ReadOnly, Resource, documented
from peers import rules
from peers.api.serializers import node_field
from peers.models import Mailbox, Peer, VoiceMessage
from peers.sounds.views import wav
from peers.voicemail import wishes


class MailboxSerializer(ResourceSerializer):
    """Where callers leave messages."""

    nested = ("peers",)
    node = node_field()
    peers = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        queryset=Peer.objects.select_related("node"),
        help_text="Phones whose lamp it lights and that hear it by *97.",
    )

    class Meta:
        model = Mailbox
        fields: ClassVar[tuple[str, ...]] = (
            "id", "key", "node", "name", "greeting", "email", "attach", "longest", "keep_days",
            "peers", "created_at",
        )  # fmt: skip

    def check_rules(self, candidate: Mailbox, attrs: Attrs) -> None:
        """What it plays and whom it serves are of its node."""
        rule(
            lambda: rules.mailbox_is_of_its_node(
                candidate.node_id, candidate.greeting, attrs.get("peers", ())
            ),
            "peers",
        )

    def store_nested(self, instance: Mailbox, named: Attrs) -> None:
        """Replace its phones."""
        instance.peers.set(named["peers"])


class MailboxFilter(NodeFilter):
    """By node and phone."""

    class Meta:
        model = Mailbox
        fields = ("node", "peers")


@documented(MailboxSerializer)
class MailboxViewSet(Resource):
    """Mailboxes. One that holds messages can't be deleted: delete those first."""

    noun = "mailbox"
    queryset = Mailbox.objects.select_related("node").prefetch_related("peers")
    serializer_class = MailboxSerializer
    filterset_class = MailboxFilter
    ordering_fields = ("id", "name", "created_at")


class VoiceMessageSerializer(serializers.ModelSerializer[VoiceMessage]):
    """A message; ``heard`` tells whether somebody listened to it by phone."""

    heard = serializers.BooleanField(read_only=True)

    class Meta:
        model = VoiceMessage
        fields = (
            "id", "mailbox", "caller", "number", "received_at", "seconds", "heard", "removing",
            "mailed_at", "mail_error",
        )  # fmt: skip
        read_only_fields = fields


class VoiceMessageFilter(django_filters.FilterSet):
    """By mailbox and node."""

    node = django_filters.CharFilter(field_name="mailbox__node__slug")

    class Meta:
        model = VoiceMessage
        fields = ("mailbox",)


class VoiceMessageViewSet(ReadOnly):
    """Voicemail. DELETE asks the node to delete the message, as a phone would."""

    queryset = VoiceMessage.objects.select_related("mailbox")
    serializer_class = VoiceMessageSerializer
    filterset_class = VoiceMessageFilter
    ordering_fields = ("id", "received_at")

    @extend_schema(responses={(200, "audio/wav"): OpenApiTypes.BINARY})
    @action(detail=True, url_path="audio")
    def audio(self, request: Request, pk: Any = None) -> HttpResponse:
        """The recording, a WAV file."""
        return wav(request._request, bytes(self.get_object().audio))

    @extend_schema(responses={202: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for it to be deleted; it is gone from here when it is gone there."""
        wishes.remove(VoiceMessage.objects.filter(pk=self.get_object().pk))
        return Response(status=status.HTTP_202_ACCEPTED)
