"""Timed bans: a set that the rules look at, filled here, emptied by the kernel's own clock.

A ban needs no new rules, so it is in force within milliseconds and outlives every rebuild. Whoever
must never be shut out is refused here too, whatever the panel believes: the networks built into
this agent, and the managers, vendors and exceptions of the rules in force.
"""

import bisect
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ddiweb.deploy.errors import Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.netfilter import VERSIONS, Netfilter, RestoreError
from firewall.ruleset.types import Intent
from firewall.ruleset.values import Invalid, Network, network, whole

MOST = 65_536  # entries that one set holds, and one request names
LONGEST = 31 * 86_400  # seconds
NARROWEST = {4: 24, 6: 48}  # no prefix is shorter: nobody bans a country by a typing error
SHOWN = 200  # entries in a status
_ENTRY = re.compile(r"^add (?:ddi-jail[46]) (\S+) timeout (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A network and for how many seconds it is shut out."""

    network: Network
    seconds: int


def entries(raw: object) -> list[Entry]:
    """The list of a `jail`; raises `Invalid`: then nothing of it is done."""
    found = []
    for index, item in enumerate(_list(raw, "entries")):
        where = f"entries[{index}]"
        if not isinstance(item, dict) or item.keys() != {"network", "seconds"}:
            raise Invalid(where, "is not an entry", "send network and seconds, and nothing else")
        seconds = whole(item["seconds"], f"{where}.seconds", 1, LONGEST)
        found.append(Entry(_narrow(item["network"], f"{where}.network"), seconds))
    if len({entry.network for entry in found}) != len(found):
        raise Invalid("entries", "hold a network twice", "send each network once")
    return found


def networks(raw: object) -> list[Network]:
    """The list of an `unjail`; raises `Invalid`."""
    listed = enumerate(_list(raw, "networks"))
    return [_narrow(item, f"networks[{index}]") for index, item in listed]


def _list(raw: object, field: str) -> list[Any]:
    if not isinstance(raw, list) or len(raw) > MOST:
        raise Invalid(field, f"is not a list of at most {MOST}", "send a list")
    return raw


def _narrow(value: object, field: str) -> Network:
    parsed = network(value, field)
    if parsed.prefixlen < NARROWEST[parsed.version]:
        raise Invalid(
            field,
            "is too wide for a timed ban",
            f"give /{NARROWEST[4]} or longer for IPv4, /{NARROWEST[6]} for IPv6",
        )
    return parsed


class Jail:
    """The sets `ddi-jail4` and `ddi-jail6`. Takes no lock: each step is the kernel's own, whole."""

    def __init__(
        self, config: Config, netfilter: Netfilter, current: Callable[[], Intent | None]
    ) -> None:
        self._built_in = tuple(config.management.networks)
        self._netfilter = netfilter
        self._current = current

    def jail(self, wanted: list[Entry]) -> dict[str, Any]:
        """Shut these out from now on and end their flows; who may not be is named in `refused`."""
        guarded = self._guarded()
        refused = {str(one.network): why for one in wanted if (why := guarded.why(one.network))}
        taken = [one for one in wanted if str(one.network) not in refused]
        self._fill(
            f"add -exist {_set(one.network)} {one.network} timeout {one.seconds}" for one in taken
        )
        self._end_flows([one.network for one in taken])
        return {"jailed": len(taken), "refused": refused}

    def unjail(self, gone: list[Network]) -> dict[str, Any]:
        """Let these in again; one that is not there is no error."""
        self._fill(f"del -exist {_set(one)} {one}" for one in gone)
        return {"changed": bool(gone)}

    def held(self) -> dict[str, int]:
        """Network → seconds left, as the kernel counts them."""
        found: dict[str, int] = {}
        for version in VERSIONS:
            text = self._netfilter.save_set(f"ddi-jail{version}") or ""
            for member, seconds in _ENTRY.findall(text):
                found[str(ipaddress.ip_network(member))] = int(seconds)
        return found

    def status(self) -> dict[str, Any]:
        """How many are shut out, and those that will be longest (at most `SHOWN`)."""
        held = sorted(self.held().items(), key=lambda item: -item[1])
        return {"count": len(held), "entries": dict(held[:SHOWN])}

    def _fill(self, lines: Iterable[str]) -> None:
        try:
            self._netfilter.restore_sets(list(lines))
        except RestoreError as error:
            if "is full" in str(error):
                raise Refused(
                    f"jail: {MOST} networks are shut out already; lift bans, or name wider networks"
                ) from None
            raise Retryable(f"jail: no ruleset is in force yet, or {error}") from None

    def _guarded(self) -> "Guarded":
        intent = self._current()
        lists = {"is built into the agent as a management network": self._built_in}
        if intent is not None:
            lists |= {
                "holds a management network": intent.management,
                "holds a vendor": intent.vendors,
                "holds an exception": intent.exceptions,
            }
        return Guarded(lists)

    def _end_flows(self, gone: list[Network]) -> None:
        """End what they have open: their packets meet the ban, and ours to them no old flow."""
        wanted, widths = set(gone), sorted({(one.version, one.prefixlen) for one in gone})
        connections = self._netfilter.connections
        # Found before any is ended, and no other is kept: strangers can fill the table.
        found = [
            flow
            for flow in connections.find()
            if any(
                net in wanted for end in (flow.source, flow.dest) for net in _around(end, widths)
            )
        ]
        connections.end(found)


class Guarded:
    """Networks that no ban may touch, by the words that say why. Fast, for lists of thousands."""

    def __init__(self, lists: Mapping[str, Iterable[str]]) -> None:
        self._nets = [
            (ipaddress.ip_network(net), why) for why, nets in lists.items() for net in nets
        ]
        self._spans: dict[int, tuple[list[int], list[int]]] = {4: ([], []), 6: ([], [])}
        for first, last, version in sorted(_span(net) for net, _ in self._nets):
            starts, ends = self._spans[version]
            if ends and first <= ends[-1]:
                ends[-1] = max(ends[-1], last)
            else:
                starts.append(first)
                ends.append(last)

    def why(self, wanted: Network) -> str:
        """Why `wanted` may not be banned; empty if it may."""
        first, last, version = _span(wanted)
        starts, ends = self._spans[version]
        at = bisect.bisect_right(starts, last) - 1
        if at < 0 or ends[at] < first:
            return ""
        for net, why in self._nets:
            if net.version == version and net.overlaps(wanted):
                return f"it {why} ({net})"
        return ""


def _around(address: str, widths: Iterable[tuple[int, int]]) -> Iterator[Network]:
    mine = 6 if ":" in address else 4
    for version, width in widths:
        if version == mine:
            yield ipaddress.ip_network((address, width), strict=False)


def _span(net: Network) -> tuple[int, int, int]:
    return int(net.network_address), int(net.broadcast_address), net.version


def _set(net: Network) -> str:
    return f"ddi-jail{net.version}"
