"""Look-ups of callers' names over the API."""

from typing import Any, ClassVar

from rest_framework import serializers

from ddiweb.api.fields import Secret, rule
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, ResourceSerializer
from ddiweb.api.views import Resource, documented
from peers.api.serializers import node_field
from peers.models import NameLookup
from peers.name_lookup_models import key_stays, lookup_secret


class NameLookupSerializer(ResourceSerializer):
    """An outside service that is asked for names of callers."""

    node = node_field()
    secret = Secret(
        required=False,
        allow_blank=True,
        max_length=500,
        validators=[lookup_secret],
        help_text="Written, never read. Empty removes it. Needed anew for another scheme, "
        "host or port in `url`.",
    )
    secret_set = serializers.SerializerMethodField()

    class Meta:
        model = NameLookup
        fields: ClassVar[tuple[str, ...]] = (
            "id", "node", "enabled", "url", "sign_in", "username", "secret", "secret_set",
            "json_field", "timeout", "keep_hours", "a_minute", "private_allowed", "answered_at",
            "failing_since", "last_error",
        )  # fmt: skip
        read_only_fields = ("answered_at", "failing_since", "last_error")

    def get_secret_set(self, row: NameLookup) -> bool:
        """Whether a secret is stored."""
        return bool(row.secret)

    def check_rules(self, candidate: Any, attrs: Attrs) -> None:
        """What is stored of a key goes to no other service."""
        stored = self.instance
        if stored is not None and "secret" not in attrs:
            rule(lambda: key_stays(stored, candidate.url), "secret")


class NameLookupFilter(NodeFilter):
    """By node and state."""

    class Meta:
        model = NameLookup
        fields = ("node", "enabled")


@documented(NameLookupSerializer)
class NameLookupViewSet(Resource):
    """One a node; callers whom the node's own directory knows are never asked for."""

    noun = "caller name look-up"
    queryset = NameLookup.objects.select_related("node")
    serializer_class = NameLookupSerializer
    filterset_class = NameLookupFilter
    ordering_fields = ("id",)
