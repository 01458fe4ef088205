"""By what trunks, numbers, peers and tokens can be selected."""

import django_filters

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
        field_name="steps__peers", distinct=True, help_text="Numbers that ring this peer."
    )

    class Meta:
        model = Number
        fields = ("node", "trunk", "e164", "enabled", "peer")


class PeerFilter(NodeFilter):
    """By node, username, owner and state."""

    owner = django_filters.CharFilter(field_name="owner__username")

    class Meta:
        model = Peer
        fields = ("node", "name", "username", "owner", "enabled")


class TokenFilter(NodeFilter):
    """By node, peer and state."""

    peer = django_filters.NumberFilter(field_name="peer_id")
    state = django_filters.ChoiceFilter(choices=TokenState.choices)

    class Meta:
        model = Token
        fields = ("node", "peer", "state")
