"""Management networks over the API."""

from ddiweb.api.fields import Cidr, Reference
from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import ResourceSerializer
from ddiweb.api.views import Resource, documented
from ddiweb.deploy.models import Node
from firewall.models import ManagementNetwork


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
