"""The directory of callers' names over the API."""

from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import ResourceSerializer
from ddiweb.api.views import Resource, documented
from peers.api.serializers import node_field
from peers.models import CallerName


class CallerNameSerializer(ResourceSerializer):
    """A name that phones show for a caller's number."""

    node = node_field()

    class Meta:
        model = CallerName
        fields = ("id", "node", "e164", "name")


class CallerNameFilter(NodeFilter):
    """By node and number."""

    class Meta:
        model = CallerName
        fields = ("node", "e164")


@documented(CallerNameSerializer)
class CallerNameViewSet(Resource):
    """The node's own directory; it is looked up at each call."""

    noun = "caller name"
    queryset = CallerName.objects.select_related("node")
    serializer_class = CallerNameSerializer
    filterset_class = CallerNameFilter
    ordering_fields = ("id", "name", "e164")
