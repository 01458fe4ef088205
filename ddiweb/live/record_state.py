"""Write what is so now: channels and trunks. All text here was chosen by strangers."""

from collections.abc import Iterable, Mapping

from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live.models import Channel, TrunkState
from ddiweb.live.record import keys_of, plain
from peers.realtime.channels import Channel as SeenChannel
from peers.realtime.trunk_states import Reach, Registered


def channels(node: Node, seen: Iterable[SeenChannel]) -> int:
    """Make the channels of ``node`` what Asterisk holds; returns how many those are."""
    found = list(seen)
    keys = keys_of(node, {one.endpoint for one in found})
    known = {row.unique_id: row for row in Channel.objects.filter(node=node)}
    for one in found:
        values = {
            "call_id": plain(one.call_id, 64),
            "endpoint": keys[one.endpoint],
            "caller": plain(one.caller, 80),
            "number": plain(one.number, 80),
            "state": plain(one.state, 20),
            "talking": one.talking,
            "started_at": one.started_at,
        }
        row = known.pop(one.unique_id, None)
        if row is None or any(getattr(row, name) != value for name, value in values.items()):
            Channel.objects.update_or_create(node=node, unique_id=one.unique_id, defaults=values)
    Channel.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    return len(found)


def trunks(node: Node, seen: Mapping[str, tuple[Registered, Reach]]) -> None:
    """Make the states of the trunks of ``node`` those of ``seen``, by trunk key."""
    now = timezone.now()
    known = {row.endpoint: row for row in TrunkState.objects.filter(node=node)}
    for key, (registered, reach) in seen.items():
        row = known.pop(key, None)
        stands = {
            "registration": registered.state,
            "answers": reach.answers,
            "silent_hosts": list(reach.silent),
            "refusing_hosts": list(registered.refusing),
        }
        same = row and all(getattr(row, name) == value for name, value in stands.items())
        TrunkState.objects.update_or_create(
            node=node,
            endpoint=key,
            defaults={
                **stands,
                "round_trip_us": reach.rtt_usec,
                "changed_at": row.changed_at if row and same else now,
                "seen_at": now,
            },
        )
    TrunkState.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
