"""The shape of a vendor's names, with the addresses that they lead to."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import get_error_detail

from ddiweb.api.fields import Choice, Text
from ddiweb.api.serializers import Attrs, Item
from peers import vendor_lookups
from peers.choices import HostKind
from peers.models import Trunk, TrunkAddress, TrunkHost
from peers.validators import canonical_host
from peers.vendor_addresses import STATES as KNOWN_STATES
from peers.vendor_addresses import Shown, judgement, shown
from peers.vendor_names import Judgement

STATES = tuple((state, state) for state in KNOWN_STATES)


class HostName(Text):
    """A full host name, stored in small letters."""

    def to_internal_value(self, data: Any) -> str:
        """Return its one spelling; raises ValidationError."""
        try:
            return canonical_host(super().to_internal_value(data))
        except DjangoValidationError as error:
            raise serializers.ValidationError(get_error_detail(error)) from None


class AddressSerializer(serializers.ModelSerializer[TrunkAddress]):
    """An address to which a name led, and whether packets from it are let in."""

    state = serializers.ChoiceField(
        choices=STATES,
        read_only=True,
        help_text="live; grace: let in until expires_at, though the name leads elsewhere now; "
        "refused: not let in, see note.",
    )
    note = serializers.CharField(read_only=True, help_text="Why it is refused.")

    class Meta:
        model = TrunkAddress
        fields: ClassVar[Any] = (
            "address",
            "via",
            "state",
            "note",
            "first_seen",
            "last_seen",
            "gone_since",
            "expires_at",
        )
        read_only_fields: ClassVar[Any] = fields


class HostSerializer(Item):
    """A name of the vendor that is looked up again and again."""

    name = HostName(max_length=254, help_text="Such as sip.example.net.")
    kind = Choice(choices=HostKind.choices, default=HostKind.ADDRESS)
    note = Text(max_length=120, required=False, allow_blank=True, default="")
    addresses = serializers.SerializerMethodField()
    checked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    failing_since = serializers.DateTimeField(read_only=True, allow_null=True)
    last_error = serializers.CharField(read_only=True)

    @extend_schema_field(AddressSerializer(many=True))
    def get_addresses(self, row: TrunkHost) -> list[Any]:
        """The addresses, the oldest first."""
        judged = self._judged(row.trunk)
        enabled = row.trunk.enabled
        rows: list[Shown] = [shown(one, judged, enabled=enabled) for one in row.addresses.all()]
        return [AddressSerializer(one).data for one in rows]  # type: ignore[arg-type]

    def _judged(self, trunk: Trunk) -> Judgement:
        """The node's judgement, made once an answer."""
        known: dict[int, Judgement] = vars(self.root).setdefault("_judgements", {})
        if trunk.node_id not in known:
            known[trunk.node_id] = judgement(trunk.node)
        return known[trunk.node_id]


def store(trunk: Trunk, named: list[Attrs]) -> None:
    """Make the trunk's names those of the request; a name that stays keeps its addresses."""
    wanted = {(one["name"], one["kind"]): one["note"] for one in named}
    for row in trunk.hosts.all():
        note = wanted.pop((row.name, row.kind), None)
        if note is None:
            row.delete()
        elif note != row.note:
            TrunkHost.objects.filter(pk=row.pk).update(note=note)
    TrunkHost.objects.bulk_create(
        TrunkHost(trunk=trunk, name=name, kind=kind, note=note)
        for (name, kind), note in wanted.items()
    )
    vendor_lookups.soon()


def refuse_repeats(named: list[Attrs]) -> None:
    """Refuse a name that stands twice; raises ValidationError with its place."""
    seen: set[tuple[str, str]] = set()
    for index, one in enumerate(named):
        key = (one["name"], one["kind"])
        if key in seen:
            text = f"{one['name']} is named twice; name it once"
            detail = serializers.ErrorDetail(text, code="repeated")
            raise serializers.ValidationError({f"hosts.{index}.name": [detail]})
        seen.add(key)
