"""The only reader of the ORM for the firewall target."""

from typing import Any

from django.db import models, transaction
from django.db.models import Q

from ddiweb import clock
from ddiweb.deploy.models import Node
from firewall.ban_models import Ban
from firewall.models import AddressException, AllowedService, ManagementNetwork
from firewall.ruleset.types import MAX_REVOKED, Intent, Service
from firewall.ruleset.types import Token as TokenRule
from peers.choices import LIVE_TOKEN_STATES, TokenState
from peers.models import Token
from peers.vendor_addresses import vendors


def take(node: Node) -> Intent:
    """Read what the node's firewall should let in; raises Refused for what no rule may carry."""
    with transaction.atomic():
        live = Token.objects.filter(node=node, state__in=LIVE_TOKEN_STATES).order_by("mark")
        admitted = live.filter(peer__enabled=True)
        return Intent(
            generation=node.generation,
            sip_port=node.open_sip_port,
            rtp_first=node.open_rtp_ports[0],
            rtp_last=node.open_rtp_ports[1],
            management=_networks(ManagementNetwork.objects.filter(node=node)),
            # The ports stand in the agent's own configuration, beside its built-in networks.
            management_ports=(),
            vendors=vendors(node),
            bans=_networks(Ban.objects.filter(node=node, until__isnull=True).active()),
            site_prefix=node.site_prefix,
            tokens=tuple(TokenRule(mark=row.mark, value=row.value) for row in admitted),
            revoked=revoked(node),
            tls_port=node.tls_port,
            iax_port=node.open_iax_port,
            tcp=node.allow_tcp,
            throttle=node.throttle,
            open_rtp=node.open_rtp,
            countries=tuple(node.countries),
            services=_services(node),
            exceptions=_networks(AddressException.objects.filter(_lasting(), node=node)),
        )


def _lasting() -> Q:
    """Rows whose time has not run out."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=clock.now())


def _services(node: Node) -> tuple[Service, ...]:
    rows = AllowedService.objects.filter(_lasting(), node=node)
    return tuple(
        Service(
            "tcp" if row.protocol == "tcp" else "udp",
            row.first,
            row.last,
            row.network,
            ends=row.expires_at is not None,
        )
        for row in rows
    )


def _networks(rows: "models.QuerySet[Any]") -> tuple[str, ...]:
    return tuple(rows.order_by("cidr").values_list("cidr", flat=True).distinct())


def revoked(node: Node) -> tuple[int, ...]:
    """Marks whose flows must end: revoked tokens until they are proved cut, and peers that are off.

    A proved cut stays on the list until the next edit, so that the same generation always renders
    to the same rules; after that no flow with the mark is left (its conntrack entries are gone,
    and no token rule could mark a new one).
    """
    recent = Q(cut_generation__isnull=True) | Q(cut_generation__gte=node.generation)
    dead = Q(state=TokenState.REVOKED) & recent
    off = Q(state__in=LIVE_TOKEN_STATES, peer__enabled=False)
    marks = Token.objects.filter(dead | off, node=node, mark_given_back=False).order_by(
        "-revoked_at", "-mark"
    )
    return tuple(marks.values_list("mark", flat=True)[:MAX_REVOKED])
