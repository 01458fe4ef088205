"""Looks vendors' names up when they are due, and brings what changed into force.

Every write is conditional on what the lookup began with: of two workers one wins, and an answer
to a name that was edited meanwhile is dropped.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery.exceptions import OperationalError as CeleryOperationalError
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from kombu.exceptions import OperationalError

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.deploy.services import request_deployment
from peers import dns, vendor_names
from peers.choices import HostKind
from peers.models import TrunkAddress, TrunkHost
from peers.vendor_addresses import judgement

log = logging.getLogger(__name__)

#: Names that one run looks up: with WORKERS at once and dns.NAME seconds each they end in 32 s.
MOST_NAMES = 32
WORKERS = 8
#: A claimed name of a worker that died is due again after this time.
CLAIM = timedelta(seconds=60)
#: However long a record may be kept, a change is seen within this time.
LONGEST_WAIT = timedelta(minutes=10)
NAMED = 3

Clock = Callable[[], datetime]
Effective = frozenset[tuple[int, str]]


@dataclass(frozen=True)
class Due:
    """A claimed name; the stamp is the proof of the claim."""

    pk: int
    name: str
    kind: str
    stamp: datetime


def claim(now: datetime) -> list[Due]:
    """Take the names that are due, the longest waiting first, so that no other worker does."""
    waiting = Q(next_check_at__isnull=True) | Q(next_check_at__lte=now)
    # Further ahead than any wait: the clock was set back since.
    due = waiting | Q(next_check_at__gt=now + LONGEST_WAIT + CLAIM)
    rows = TrunkHost.objects.filter(due, trunk__enabled=True)
    taken: list[Due] = []
    for row in rows.order_by(F("next_check_at").asc(nulls_first=True), "pk")[:MOST_NAMES]:
        stamp = now + CLAIM
        if TrunkHost.objects.filter(due, pk=row.pk).update(next_check_at=stamp):
            taken.append(Due(row.pk, row.name, row.kind, stamp))
    return taken


def run(clock: Clock = timezone.now) -> int:
    """Look up what is due; returns how many changes were brought into force."""
    names = claim(clock())
    servers = tuple(settings.DNS_SERVERS)

    def answer(due: Due) -> dns.Answer:
        return dns.look_up(due.name, srv=due.kind == HostKind.SRV, servers=servers)

    changes = 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="dns") as pool:
        for due, result in zip(names, pool.map(answer, names), strict=True):
            try:
                changes += store(due, result, clock())
            except IntegrityError:
                log.warning("%s was edited while it was looked up", due.name)
            except Refused as error:
                log.error("what %s leads to can't be judged: %s", due.name, error)
    return changes


@transaction.atomic
def store(due: Due, answer: dns.Answer, now: datetime) -> bool:
    """Write down what a lookup found; returns whether a deployment was asked for."""
    locked = Node.objects.select_for_update(of=("self",))
    node = locked.filter(trunks__hosts=due.pk).first()
    mine = TrunkHost.objects.filter(
        pk=due.pk, name=due.name, kind=due.kind, next_check_at=due.stamp
    )
    host = mine.select_related("trunk").first()
    if node is None or host is None:
        return False
    before = judgement(node).pairs()
    useless = _nothing_usable(host, answer)
    _note(host, useless or answer.problem, answer.ttl, now)
    if answer.found and not useless:
        _write(host, answer, now)
    after = judgement(node).pairs()
    if before == after:
        return False
    reason = _reason(host, before, after)
    log.info("%s", reason)
    request_deployment(node, reason)
    return True


def _nothing_usable(host: TrunkHost, answer: dns.Answer) -> str:
    """Why none of the addresses may be a vendor's, or the empty string.

    Such an answer is a failed one: it mostly comes from a filter or a captive portal, and must
    not take the vendor's real addresses away.
    """
    private = host.trunk.private_allowed
    notes = [
        f"{one.address} is {vendor_names.unusable(one.address, private_allowed=private)}"
        for one in answer.found
        if vendor_names.unusable(one.address, private_allowed=private)
    ]
    if not notes or len(notes) < len(answer.found):
        return ""
    return f"{host.name}: no usable address: {'; '.join(notes[:NAMED])}"


def _note(host: TrunkHost, problem: str, ttl: int, now: datetime) -> None:
    """Write when it was looked up and what was wrong, and let graces wait for lost time."""
    every = timedelta(seconds=settings.DNS_EVERY)
    wait = timedelta(0) if problem else min(timedelta(seconds=ttl), LONGEST_WAIT)
    lost = vendor_names.not_counted(host.checked_at, now, 3 * every)
    if lost:
        host.addresses.filter(expires_at__isnull=False).update(expires_at=F("expires_at") + lost)
    if problem and host.last_error != problem[:200]:
        log.warning("vendor %s: %s", host.trunk, problem)
    TrunkHost.objects.filter(pk=host.pk).update(
        checked_at=now,
        # Half a beat early, or each tick would just miss what is due with it.
        next_check_at=now + max(wait, every) - every / 2,
        last_error=problem[:200],
        failing_since=Coalesce(F("failing_since"), now) if problem else None,
    )


def _write(host: TrunkHost, answer: dns.Answer, now: datetime) -> None:
    rows = list(TrunkAddress.objects.filter(host=host))
    known = [vendor_names.Known(row.pk, row.address, row.expires_at) for row in rows]
    via = {one.address: one.via for one in answer.found}
    done = vendor_names.settle(known, list(via), whole=not answer.problem, now=now)
    ours = TrunkAddress.objects.filter(host=host)
    ours.filter(pk__in=done.expired).delete()
    ours.filter(pk__in=done.gone, gone_since__isnull=True).update(
        gone_since=now, expires_at=now + timedelta(hours=settings.DNS_GRACE_HOURS)
    )
    ours.filter(pk__in=done.seen).update(last_seen=now, gone_since=None, expires_at=None)
    for row in rows:
        if row.pk in done.seen and row.via != via[row.address]:
            ours.filter(pk=row.pk).update(via=via[row.address])
    TrunkAddress.objects.bulk_create(
        TrunkAddress(host=host, address=one, via=via[one], first_seen=now, last_seen=now)
        for one in done.added
    )


def _reason(host: TrunkHost, before: Effective, after: Effective) -> str:
    """``vendor London, sip.example.net: added 203.0.113.21, removed 203.0.113.20``."""
    parts = [
        f"{verb} {_listed({cidr for _, cidr in pairs})}"
        for verb, pairs in (("added", after - before), ("removed", before - after))
        if pairs
    ]
    return f"vendor {host.trunk}, {_shortened(host.name)}: {', '.join(parts)}"[:200]


def _shortened(name: str, limit: int = 60) -> str:
    return name if len(name) <= limit else f"…{name[-limit:]}"


def _listed(cidrs: set[str]) -> str:
    names = [cidr.partition("/")[0] for cidr in sorted(cidrs)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return " ".join(names[:NAMED]) + more


def soon() -> None:
    """Have new names looked up when the edit is committed; if Redis is away, beat does it."""
    from peers.tasks import resolve_vendors

    def send() -> None:
        try:
            resolve_vendors.apply_async(expires=settings.DNS_EVERY)
        except (OperationalError, CeleryOperationalError, OSError) as error:
            log.warning("redis can't be reached (%s); beat looks names up", type(error).__name__)

    transaction.on_commit(send)
