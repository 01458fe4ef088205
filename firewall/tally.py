"""Counting who fails and from how many places a token comes. Pure: the caller gives the time.

Times are seconds of a clock that only goes on. Everything here was chosen by strangers, so every
table is bounded: what was heard of longest ago is forgotten first.
"""

import heapq
import ipaddress
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
MOST_KEYS = 20_000
#: A place counts once a token was in use there for so long (seconds): a phone that changes its
#: network every few seconds is in each for less.
IN_USE = 20.0
#: A place that was silent for longer (seconds) was left; keepalives come every 15 to 30 s.
LEFT_AFTER = 60.0


class Window(Generic[Item]):
    """What happened to each key within the last ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: OrderedDict[Hashable, deque[tuple[float, Item]]] = OrderedDict()

    def add(self, key: Hashable, at: float, item: Item) -> list[Item]:
        """Note one more; returns all that are within the window now, the oldest first."""
        items = self._seen.pop(key, None) or deque(maxlen=1000)
        items.append((at, item))
        while items[0][0] <= at - self.seconds:
            items.popleft()
        self._seen[key] = items
        if len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
        return [one for _, one in items]

    def has(self, key: Hashable, at: float) -> bool:
        """Whether anything happened to it within the window."""
        items = self._seen.get(key)
        return bool(items) and items[-1][0] > at - self.seconds  # type: ignore[index]

    def forget(self, key: Hashable) -> None:
        """Count this key from nothing again."""
        self._seen.pop(key, None)


def place(address: str) -> str:
    """The /24 or /48 of an address: about one site, or one carrier's pool."""
    parsed = ipaddress.ip_address(address)
    width = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, width), strict=False))


@dataclass
class _Stay:
    first: float
    last: float


@dataclass
class Places:
    """In which places each token is in use at the same time.

    A phone that moves is in one place after the other: its stays do not overlap, however often it
    moves. A token that several people have is in several places at one instant.
    """

    _stays: dict[int, dict[str, _Stay]] = field(default_factory=dict)

    def look(self, now: float, seen: Mapping[int, Mapping[str, int]]) -> dict[int, list[str]]:
        """Note mark → place → seconds of silence; returns mark → places in use at one instant."""
        self._stays = {mark: stays for mark, stays in self._stays.items() if mark in seen}
        found = {}
        for mark, places in seen.items():
            stays = self._stays.setdefault(mark, {})
            for name, silent in places.items():
                last = now - silent
                stay = stays.get(name)
                if stay is None or last - stay.last > LEFT_AFTER:
                    stays[name] = _Stay(last, last)
                else:
                    stay.last = max(stay.last, last)
            for name in [one for one, stay in stays.items() if now - stay.last > LEFT_AFTER]:
                del stays[name]
            found[mark] = _together(stays)
        return found


def _together(stays: Mapping[str, _Stay]) -> list[str]:
    """The most places whose stays share one instant; stays of a moment do not count.

    One walk through time: whoever has a token can feign thousands of places.
    """
    real = sorted(
        (stay.first, stay.last, name)
        for name, stay in stays.items()
        if stay.last - stay.first >= IN_USE
    )
    ends: list[float] = []
    most, when = 0, 0.0
    for first, last, _ in real:
        heapq.heappush(ends, last)
        while ends[0] <= first:
            heapq.heappop(ends)
        if len(ends) > most:
            most, when = len(ends), first
    return sorted(name for first, last, name in real if first <= when < last)
