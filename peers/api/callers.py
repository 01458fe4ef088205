"""Blocked and allowed callers over the API."""

import django_filters

from ddiweb.api.filters import NodeFilter
from ddiweb.api.serializers import ResourceSerializer
from ddiweb.api.views import Resource, documented
from peers.api.serializers import node_field
from peers.models import CallerRule


class CallerRuleSerializer(ResourceSerializer):
    """Callers by their number or its beginning: turned away, or let through all the same."""

    fixed = ("node", "number")
    node = node_field()

    class Meta:
        model = CallerRule
        fields = ("id", "node", "number", "prefix", "allow", "note")


class CallerRuleFilter(NodeFilter):
    """By node, number and effect."""

    number = django_filters.NumberFilter(field_name="number_id")

    class Meta:
        model = CallerRule
        fields = ("node", "number", "prefix", "allow")


@documented(CallerRuleSerializer)
class CallerRuleViewSet(Resource):
    """Who may ring which number; the longest prefix decides."""

    noun = "caller"
    queryset = CallerRule.objects.select_related("node", "number")
    serializer_class = CallerRuleSerializer
    filterset_class = CallerRuleFilter
    ordering_fields = ("id", "prefix")
