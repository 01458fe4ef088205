"""What people and the watch do with bans, and how a node's kernel is kept to them.

The rows are the truth. The agent is told at once by whoever is on the node, and again by
`bring`, which puts back what a restart lost and takes out what was lifted meanwhile.
"""

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta

from celery.exceptions import OperationalError as CeleryOperationalError
from django.contrib.auth.models import User as Person
from django.core.exceptions import ValidationError
from django.db import transaction
from kombu.exceptions import OperationalError

from ddiweb import clock
from ddiweb.deploy.models import Node
from ddiweb.deploy.services import User, request_deployment
from firewall.ban_models import Ban
from firewall.ban_rules import refuse
from firewall.channel import AgentChannel
from firewall.choices import BanSource

log = logging.getLogger(__name__)

#: Seconds of a timed ban: the kernel's sets and the agent take no longer ones.
SHORTEST, LONGEST = 1, 31 * 86_400
#: Bans that are over and kept for their reasons: whoever holds a token could fill the disk.
MOST_KEPT = 100_000
#: The kernel's count and the row may differ so much (seconds) before the row is told again.
SLACK = 30


@transaction.atomic
def ban(
    node: Node,
    cidr: str,
    reason: str,
    seconds: int | None,
    *,
    user: User = None,
    note: str = "",
    own_address: str = "",
    source: str = BanSource.HAND,
) -> Ban:
    """Shut a network out for ``seconds``, None: until it is lifted.

    ``own_address`` is where the person sits. Raises ValidationError for a network that must not
    be shut out, or is already.
    """
    node = Node.objects.select_for_update().get(pk=node.pk)
    row = Ban(
        node=node, cidr=cidr, reason=reason, note=note, source=source, created_by=_person(user)
    )
    if seconds is not None:
        if not SHORTEST <= seconds <= LONGEST:
            raise ValidationError(
                {"until": "A timed ban lasts from a second to 31 days; choose one without an end."}
            )
        row.until = clock.now() + timedelta(seconds=seconds)
    row.full_clean()
    refuse(row, own_address)
    row.save(force_insert=True)
    if row.until is None:
        request_deployment(node, f"ban of {row}", user, urgent=True)
    elif source == BanSource.HAND:
        _hint(node)  # the watch tells the agent itself
    return row


@transaction.atomic
def lift(rows: Iterable[Ban], user: User = None) -> int:
    """Let networks in again; returns how many were shut out until now."""
    count = 0
    lifted: dict[int, list[Ban]] = {}
    for row in rows:
        mine = Ban.objects.filter(pk=row.pk).active()
        if mine.update(lifted_at=clock.now(), lifted_by=_person(user)):
            lifted.setdefault(row.node_id, []).append(row)
            count += 1
    for node_id, freed in lifted.items():
        if any(row.until is None for row in freed):
            names = str(freed[0]) if len(freed) == 1 else f"{len(freed)} bans"
            request_deployment(node_id, f"{names} let in again", user, urgent=True)
        _hint(Node.objects.get(pk=node_id))
    return count


def wanted(node: Node) -> dict[str, int]:
    """Network → seconds left, of the timed bans that hold now; the longest where two do."""
    now = clock.now()
    found: dict[str, int] = {}
    rows = Ban.objects.filter(node=node, until__isnull=False).active(now)
    for cidr, until in rows.values_list("cidr", "until"):
        if until is not None:
            left = min(max(SHORTEST, round((until - now).total_seconds())), LONGEST)
            found[cidr] = max(left, found.get(cidr, 0))
    return found


def tell(node: Node, channel: AgentChannel, seconds: Mapping[str, int]) -> None:
    """Have the node's agent shut these out, and note what it would not."""
    refused = channel.jail(seconds) if seconds else {}
    rows = Ban.objects.filter(node=node, cidr__in=seconds, until__isnull=False).active()
    rows.exclude(cidr__in=refused).exclude(refused="").update(refused="")
    for cidr, why in refused.items():
        log.warning("%s is not banned: the agent says that %s", cidr, why)
        rows.filter(cidr=cidr).update(refused=why[:200])


def bring(node: Node, channel: AgentChannel) -> tuple[int, int]:
    """Make the kernel's timed bans what the rows say; returns how many were added and taken out.

    The kernel's own clock ends a ban: one whose row is over is left to it, so that a wall clock
    that was set forward frees nobody.
    """
    rows, held = wanted(node), channel.jailed()
    missing = {net: left for net, left in rows.items() if left > held.get(net, 0) + SLACK}
    if missing:
        tell(node, channel, missing)
    gone = _lifted(node, [net for net in held if net not in rows])
    if gone:
        channel.unjail(gone)
    return len(missing), len(gone)


def _lifted(node: Node, nets: list[str]) -> list[str]:
    """Of networks in the kernel: those whose newest ban was lifted, or that have none at all."""
    newest: dict[str, bool] = {}
    for start in range(0, len(nets), 500):
        rows = Ban.objects.filter(node=node, cidr__in=nets[start : start + 500]).order_by("pk")
        newest |= {
            cidr: lifted is not None for cidr, lifted in rows.values_list("cidr", "lifted_at")
        }
    return [net for net in nets if newest.get(net, True)]


def purge() -> int:
    """Forget the oldest of very many bans that are over; returns how many."""
    ended = Ban.objects.ended().order_by("-pk")
    for last in ended.values_list("pk", flat=True)[MOST_KEPT : MOST_KEPT + 1]:
        return ended.filter(pk__lte=last).delete()[0]
    return 0


def place_of(address: str) -> str:
    """What is banned when ``address`` misbehaves: itself; in IPv6 the /64 that one host has."""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((parsed, 32 if parsed.version == 4 else 64), strict=False))


def _person(user: User) -> Person | None:
    return user if isinstance(user, Person) else None


def _hint(node: Node) -> None:
    """Have the worker on the node tell the agent; if Redis is away, the watch does so soon."""
    if not node.dry_run:
        transaction.on_commit(lambda: _send(node))


def _send(node: Node) -> None:
    from firewall.tasks import bring_bans

    try:
        bring_bans.apply_async((node.pk,), queue=node.queue, expires=60)
    except (OperationalError, CeleryOperationalError, OSError) as error:
        log.warning("redis can't be reached (%s); the watch brings the bans", type(error).__name__)
