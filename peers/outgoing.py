"""What is stored of outgoing calls as the renderer's facts; a part of ``realtime.snapshot``."""

from decimal import Decimal

from ddiweb.deploy.models import Node
from peers.models import OutgoingPolicy, Peer, Trunk, TrunkToll
from peers.numbering.zones import destinations, zones
from peers.realtime.outgoing import (
    TRUNKS_MAX,
    CallerOutFacts,
    Caps,
    OutgoingFacts,
    PolicyFacts,
    RateFacts,
    TollFacts,
)
from peers.toll_models import UNIT
from peers.toll_models import Caps as CapsModel


def facts(node: Node) -> OutgoingFacts:
    """Policies, who has them, and the limits of trunks; nothing of it without a policy."""
    policies = list(
        OutgoingPolicy.objects.filter(node=node)
        .select_related("number", "emergency_trunk")
        .prefetch_related("trunks__trunk", "prefixes")
    )
    if not policies:
        return OutgoingFacts()
    callers = Peer.objects.filter(node=node, enabled=True, outgoing__isnull=False)
    return OutgoingFacts(
        tuple(
            _caller(peer) for peer in callers.select_related("outgoing__number", "caller_number")
        ),
        tuple(_policy(policy) for policy in policies),
        _tolls(node),
    )


def _caller(peer: Peer) -> CallerOutFacts:
    policy = peer.outgoing
    assert policy is not None  # noqa: S101 - selected so
    return CallerOutFacts(peer.key, policy.key, (peer.caller_number or policy.number).digits)


def _policy(policy: OutgoingPolicy) -> PolicyFacts:
    country = zones()[policy.country]
    trunks = tuple(one.trunk.key for one in policy.trunks.all())
    first = (policy.emergency_trunk.key,) if policy.emergency_trunk else ()
    # With one of its own there may be one more than a policy can hold.
    emergency_trunks = tuple(dict.fromkeys((*first, *trunks)))[:TRUNKS_MAX]
    numbers = {*country.emergency, *policy.emergency_more.split()}
    own = [(one.prefix.removeprefix("+"), one.allow) for one in policy.prefixes.all()]
    return PolicyFacts(
        policy.key,
        trunks,
        destinations(policy.zones, premium=policy.premium, own=own),
        country.code,
        country.international,
        country.national,
        country.bare,
        caps(policy),
        policy.longest_call * 60,
        tuple(sorted(numbers)) if emergency_trunks else (),
        emergency_trunks,
    )


def caps(row: CapsModel) -> Caps:
    """Minutes as seconds, money as ten-thousandths."""
    return Caps(row.calls_max, row.calls_a_minute, row.minutes_a_day * 60, money(row.money_a_day))


def money(amount: Decimal) -> int:
    """Ten-thousandths."""
    return int(amount * UNIT)


def _tolls(node: Node) -> tuple[TollFacts, ...]:
    stored = {
        one.trunk_id: one
        for one in TrunkToll.objects.filter(trunk__node=node).prefetch_related("rates")
    }
    return tuple(
        _toll(trunk, stored.get(trunk.pk))
        for trunk in Trunk.objects.filter(node=node).order_by("pk")
    )


def _toll(trunk: Trunk, toll: TrunkToll | None) -> TollFacts:
    if toll is None:
        return TollFacts(trunk.key, channels=trunk.channels_max)
    rates = tuple(
        RateFacts(
            rate.prefix.removeprefix("+"), money(rate.a_minute), money(rate.setup), rate.increment
        )
        for rate in toll.rates.all()
    )
    return TollFacts(trunk.key, caps(toll), trunk.channels_max, rates)
