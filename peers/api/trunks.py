"""The shape of trunks."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from rest_framework import serializers

from ddiweb import validators
from ddiweb.api.fields import Cidr, Text, rule
from ddiweb.api.serializers import Attrs, Item, ResourceSerializer
from peers import rules
from peers.api import hosts, trunk_presets
from peers.api.serializers import codec_list, node_field, secret_password
from peers.models import Trunk, TrunkNetwork, TrunkServer


class NetworkSerializer(Item):
    """Addresses from which a vendor's signalling and audio come."""

    cidr = Cidr(max_length=43, help_text="An address or a CIDR; it is stored as a CIDR.")
    note = Text(max_length=120, required=False, allow_blank=True, default="")


class ServerSerializer(Item):
    """A further host of a vendor."""

    host = Text(max_length=253, validators=[validators.hostname])
    port = serializers.IntegerField(min_value=1, max_value=65535, default=5060)
    priority = serializers.IntegerField(
        min_value=0,
        max_value=9,
        default=1,
        help_text="0: shares the calls with the first host; 1 to 9: tried after it, low first.",
    )


class TrunkSerializer(ResourceSerializer):
    """A vendor's SIP service on a node."""

    nested = ("networks", "hosts", "servers")
    node = node_field()
    networks = NetworkSerializer(
        many=True,
        required=False,
        max_length=500,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="Replaced as a whole if named.",
    )
    hosts = hosts.HostSerializer(
        many=True,
        required=False,
        max_length=rules.MOST_HOSTS,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="Names that are looked up. Replaced as a whole if named; a name that stays "
        "keeps its addresses.",
    )
    servers = ServerSerializer(
        many=True,
        required=False,
        max_length=rules.MOST_SERVERS,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="Further hosts, for when the first is down or to share the calls with it. "
        "Replaced as a whole if named.",
    )
    codecs = codec_list()
    preset = Text(
        required=False,
        write_only=True,
        max_length=40,
        help_text="Only for a new trunk: the key of a preset (`/trunk-presets/`), which gives each "
        "field that is not named.",
    )
    password_set = serializers.SerializerMethodField()

    class Meta:
        model = Trunk
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "key",
            "node",
            "preset",
            "name",
            "enabled",
            "register",
            "host",
            "port",
            "username",
            "password",
            "password_set",
            "codecs",
            "qualify",
            "ddi_header",
            "country",
            "channels_max",
            "transport",
            "srtp",
            "proxy",
            "proxy_port",
            "from_domain",
            "dtmf",
            "caller_in",
            "caller_out",
            "number_in",
            "number_out",
            "prefix_in",
            "prefix_out",
            "national_prefix",
            "international_prefix",
            "servers",
            "networks",
            "hosts",
            "private_allowed",
            "created_at",
        )
        extra_kwargs: ClassVar[dict[str, Attrs]] = {
            "password": {"help_text": "Written, never read. Empty removes it."}
        }

    def to_internal_value(self, data: Any) -> Any:
        """Begin a new trunk with its preset; an existing one has none to begin with."""
        if self.instance is None:
            return super().to_internal_value(trunk_presets.begin(data))
        if isinstance(data, Mapping) and "preset" in data:
            text = "is for a new trunk only; name the fields that change"
            raise serializers.ValidationError(
                {"preset": [serializers.ErrorDetail(text, code="immutable")]}
            )
        return super().to_internal_value(data)

    def build_standard_field(self, field_name: str, model_field: Any) -> tuple[type, Attrs]:
        """The password is written and never read."""
        return secret_password(field_name, *super().build_standard_field(field_name, model_field))

    def get_password_set(self, row: Trunk) -> bool:
        """Whether a password is stored."""
        return bool(row.password)

    def check_rules(self, candidate: Trunk, attrs: Attrs) -> None:
        """Its networks and its username are its own."""
        node = candidate.node_id
        rule(lambda: rules.usernames_differ(node, candidate.username, of_trunk=True), "username")
        hosts.refuse_repeats(attrs.get("hosts", []))
        rule(lambda: rules.transport_is_possible(candidate.node, candidate.transport), "transport")
        servers = self._servers(attrs)
        rule(lambda: rules.servers_differ(candidate.host, candidate.port, servers), "servers")
        rule(
            lambda: rules.registration_is_whole(
                register=candidate.register, password=candidate.password
            ),
            "password",
        )
        cidrs = [network["cidr"] for network in attrs.get("networks", ())]
        for index, cidr in enumerate(cidrs):
            if cidr in cidrs[:index]:
                text = f"{cidr} is named twice; name it once"
                raise serializers.ValidationError(
                    {f"networks.{index}.cidr": [serializers.ErrorDetail(text, code="repeated")]}
                )
        try:
            rules.networks_are_the_trunks_own(node, candidate.pk, cidrs)
        except ValidationError:
            # All at once is two queries; only a refusal is worth the search for its place.
            for index, cidr in enumerate(cidrs):
                rule(
                    partial(rules.networks_are_the_trunks_own, node, candidate.pk, [cidr]),
                    f"networks.{index}.cidr",
                )
            # None of them alone is at fault.
            rule(partial(rules.networks_are_the_trunks_own, node, candidate.pk, cidrs), "networks")

    def _servers(self, attrs: Attrs) -> list[tuple[str, int]]:
        if "servers" in attrs:
            return [(one["host"], one["port"]) for one in attrs["servers"]]
        if self.instance is None:
            return []
        return list(self.instance.servers.values_list("host", "port"))

    def store_nested(self, instance: Trunk, named: Attrs) -> None:
        """Replace the trunk's networks, names and further hosts."""
        if "servers" in named:
            instance.servers.all().delete()
            TrunkServer.objects.bulk_create(
                TrunkServer(trunk=instance, **server) for server in named["servers"]
            )
        if "networks" in named:
            instance.networks.all().delete()
            TrunkNetwork.objects.bulk_create(
                TrunkNetwork(trunk=instance, **network) for network in named["networks"]
            )
        if "hosts" in named:
            hosts.store(instance, named["hosts"])
