"""From Asterisk's names to people's: ``peer_7`` is “Ada, mobile”."""

from collections.abc import Iterable

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


def label_of(key: str) -> str:
    """The name behind one key."""
    return labels([key])[key] if key else ""
