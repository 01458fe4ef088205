"""By what trunks, numbers, peers and tokens can be selected."""

import django_filters
from django.db.models import Q, QuerySet

from ddiweb.api.filters import NodeFilter
from peers.choices import TokenState
from peers.models import Number, Peer, Token, Trunk


class TrunkFilter(NodeFilter):
    """By node, name and state."""

    class Meta:
        model = Trunk
        fields = ("node", "name", "enabled", "register")


class NumberFilter(NodeFilter):
    """By node, trunk and number."""

    node = django_filters.CharFilter(field_name="trunk__node__slug", help_text="The node's slug.")
    trunk = django_filters.NumberFilter(field_name="trunk_id")
    peer = django_filters.NumberFilter(
        method="rings", help_text="Numbers that ring this peer, by itself or as a person's."
    )
    person = django_filters.NumberFilter(
        field_name="steps__persons", distinct=True, help_text="Numbers that ring this person."
    )

    class Meta:
        model = Number
        fields = ("node", "trunk", "e164", "enabled", "peer", "person")

    def rings(self, rows: QuerySet[Number], name: str, value: object) -> QuerySet[Number]:
        """Both ways in which a phone rings."""
        either = Q(steps__peers=value) | Q(steps__persons__phones=value)
        return rows.filter(either).distinct()


class PeerFilter(NodeFilter):
    """By node, username, owner and state."""

    person = django_filters.NumberFilter(field_name="person_id")
    owner = django_filters.CharFilter(field_name="owner__username")

    class Meta:
        model = Peer
        fields = ("node", "name", "username", "person", "owner", "enabled")


class TokenFilter(NodeFilter):
    """By node, peer and state."""

    peer = django_filters.NumberFilter(field_name="peer_id")
    state = django_filters.ChoiceFilter(choices=TokenState.choices)

    class Meta:
        model = Token
        fields = ("node", "peer", "state")
