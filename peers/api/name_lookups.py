"""Look-ups of callers' names over the API."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.errors import Unavailable
from ddiweb.api.fields import Secret, rule
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, ResourceSerializer, Strict
from ddiweb.api.views import Resource, documented
from ddiweb.deploy.errors import Refused
from ddiweb.validators import e164
from peers import name_trials
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


class TrialSerializer(Strict):
    """A number that is looked up now, and what came of it."""

    number = serializers.CharField(max_length=16, validators=[e164], help_text="E.164.")
    name = serializers.CharField(
        read_only=True, help_text="Empty: the service knows none, or there is a fault."
    )
    fault = serializers.CharField(read_only=True, help_text="Empty: the service answered.")
    milliseconds = serializers.IntegerField(read_only=True, help_text="What the question took.")


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
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "try_it": ("peers.change_namelookup",)
    }

    @extend_schema(request=TrialSerializer, responses={200: TrialSerializer})
    @action(detail=True, methods=["post"], url_path="try")
    def try_it(self, request: Request, pk: str) -> Response:
        """Have the node's watch ask for one number, as in a call, but for what is remembered.

        Answers within 8 seconds; 503 if the watch has not asked by then.
        """
        given = TrialSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        row = self.get_object()
        try:
            trial = name_trials.ask(row, given.validated_data["number"], request.user)
        except Refused as error:
            raise Throttled(wait=60, detail=str(error)) from None
        if not name_trials.wait(trial):
            raise Unavailable("The node's watch has not asked: is it alive? (/status/ tells.)")
        return Response(TrialSerializer(trial).data)
