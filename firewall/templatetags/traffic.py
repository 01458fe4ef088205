"""The last day of one phone or one vendor, for pages of apps that know nothing of the firewall."""

from typing import Any

from django import template

from firewall import admin_traffic
from peers.models import Peer, Trunk

register = template.Library()


@register.simple_tag
def day_of(thing: Peer | Trunk) -> dict[str, Any]:
    """Its packets within a day: ``total`` and ``picture``."""
    return (
        admin_traffic.of_peer(thing) if isinstance(thing, Peer) else admin_traffic.of_trunk(thing)
    )
