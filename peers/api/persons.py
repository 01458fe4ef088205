"""Persons over the API."""

from typing import Any, ClassVar

from django.db.models import Prefetch
from rest_framework import serializers

from ddiweb.api.fields import rule
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import Attrs, ResourceSerializer
from ddiweb.api.views import Resource, documented
from peers import person_rules, phones
from peers.api.serializers import node_field
from peers.models import Peer, Person
from peers.person_forms import store_phones


class PersonSerializer(ResourceSerializer):
    """Somebody with phones that ring together."""

    nested = ("phones",)
    node = node_field()
    phones = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        queryset=Peer.objects.select_related("node", "person"),
        help_text="Peers of the node, each one person's at most. Replaced as a whole if named.",
    )
    registered = serializers.SerializerMethodField(
        help_text="Which of the phones are registered now."
    )

    class Meta:
        model = Person
        fields: ClassVar[tuple[str, ...]] = (
            "id", "key", "node", "name", "phones", "registered", "created_at",
        )  # fmt: skip

    def get_registered(self, row: Person) -> list[int]:
        """Which phones are there."""
        here = (phone for phone in row.phones.all() if getattr(phone, "here", False))
        return [phone.pk for phone in here if phone.enabled]

    def check_rules(self, candidate: Person, attrs: Attrs) -> None:
        """The phones are of the node and of nobody else, and no step is left without any."""
        if "phones" in attrs:
            rule(
                lambda: person_rules.phones_are_the_persons_own(
                    candidate.node_id, candidate.pk, attrs["phones"]
                ),
                "phones",
            )

    def store_nested(self, instance: Person, named: Attrs) -> None:
        """Replace the phones."""
        store_phones(instance, named["phones"])


class PersonFilter(NodeFilter):
    """By node, name and phone."""

    class Meta:
        model = Person
        fields = ("node", "name", "phones")


@documented(PersonSerializer)
class PersonViewSet(Resource):
    """Persons with several phones. One whom a step rings can't be deleted."""

    noun = "person"
    queryset: Any = Person.objects.select_related("node").prefetch_related(
        Prefetch("phones", Peer.objects.annotate(here=phones.is_registered()))
    )
    serializer_class = PersonSerializer
    filterset_class = PersonFilter
    ordering_fields = ("id", "name", "created_at")
