"""From Asterisk's names to people's: ``peer_7`` is “Ada mobile”."""

from collections.abc import Iterable

from django.db.models import CharField, F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat

from peers.models import Peer, Trunk


def labels(keys: Iterable[str]) -> dict[str, str]:
    """The names behind ``keys``; a key whose row is gone stands for itself."""
    wanted = set(keys)
    ids: dict[str, set[int]] = {"peer": set(), "trunk": set()}
    for key in wanted:
        kind, _, number = key.rpartition("_")
        if kind in ids and number.isdecimal():
            ids[kind].add(int(number))
    found = {peer.key: peer.name for peer in Peer.objects.filter(pk__in=ids["peer"])}
    found |= {trunk.key: trunk.name for trunk in Trunk.objects.filter(pk__in=ids["trunk"])}
    return {key: found.get(key, key) for key in wanted}


def label_column(column: str) -> Coalesce:
    """The name behind the key in ``column``, for lists: no query a row."""

    def name_in(model: type[Peer] | type[Trunk], prefix: str) -> Subquery:
        key = Concat(Value(prefix), Cast("pk", CharField()))
        rows = model._default_manager.annotate(asterisk_key=key)
        return Subquery(rows.filter(asterisk_key=OuterRef(column)).values("name")[:1])

    return Coalesce(name_in(Peer, "peer_"), name_in(Trunk, "trunk_"), F(column))
