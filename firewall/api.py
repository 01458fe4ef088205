"""Management networks, services and exceptions over the API."""

from ddiweb.api.fields import Choice, Cidr, Reference
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import ResourceSerializer
from ddiweb.api.views import Resource, documented
from ddiweb.deploy.models import Node
from firewall.models import AddressException, AllowedService, ManagementNetwork

SERVICE_PROTOCOLS = AllowedService.PROTOCOLS


class ManagementNetworkSerializer(ResourceSerializer):
    """Addresses that reach the node's management ports."""

    node = Reference(slug_field="slug", queryset=Node.objects.all())
    cidr = Cidr(
        max_length=43,
        help_text="An address or a CIDR; it is stored as a CIDR: 198.51.100.7 as 198.51.100.7/32.",
    )

    class Meta:
        model = ManagementNetwork
        fields = ("id", "node", "cidr", "note")


class ManagementNetworkFilter(NodeFilter):
    """By node."""

    class Meta:
        model = ManagementNetwork
        fields = ("node",)


@documented(ManagementNetworkSerializer)
class ManagementNetworkViewSet(Resource):
    """From where administrators reach a node."""

    noun = "management network"
    queryset = ManagementNetwork.objects.select_related("node")
    serializer_class = ManagementNetworkSerializer
    filterset_class = ManagementNetworkFilter
    ordering_fields = ("id", "cidr")


class AllowedServiceSerializer(ResourceSerializer):
    """Another port of the host, or a range of them, that the firewall lets in."""

    node = Reference(slug_field="slug", queryset=Node.objects.all())
    protocol = Choice(choices=SERVICE_PROTOCOLS, default="tcp")
    network = Cidr(
        max_length=43,
        required=False,
        allow_blank=True,
        help_text="Who may use it. Empty: everybody, without a token and without a ban.",
    )

    class Meta:
        model = AllowedService
        fields = ("id", "node", "protocol", "first", "last", "network", "note", "expires_at")


class AllowedServiceFilter(NodeFilter):
    """By node."""

    class Meta:
        model = AllowedService
        fields = ("node", "protocol")


@documented(AllowedServiceSerializer)
class AllowedServiceViewSet(Resource):
    """Other services of a node; one with an end is taken away by itself."""

    noun = "allowed service"
    queryset = AllowedService.objects.select_related("node")
    serializer_class = AllowedServiceSerializer
    filterset_class = AllowedServiceFilter
    ordering_fields = ("id", "first", "expires_at")


class AddressExceptionSerializer(ResourceSerializer):
    """A network whose SIP and audio pass without a token."""

    node = Reference(slug_field="slug", queryset=Node.objects.all())
    cidr = Cidr(
        max_length=43,
        help_text="Everybody there reaches Asterisk and can guess passwords; no ban stops them.",
    )

    class Meta:
        model = AddressException
        fields = ("id", "node", "cidr", "note", "expires_at")


class AddressExceptionFilter(NodeFilter):
    """By node."""

    class Meta:
        model = AddressException
        fields = ("node",)


@documented(AddressExceptionSerializer)
class AddressExceptionViewSet(Resource):
    """Networks without a token; one with an end is taken away by itself."""

    noun = "address exception"
    queryset = AddressException.objects.select_related("node")
    serializer_class = AddressExceptionSerializer
    filterset_class = AddressExceptionFilter
    ordering_fields = ("id", "cidr", "expires_at")
