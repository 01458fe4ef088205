"""The verb `counters`: how many packets each token, vendor, ban and reason to drop has seen.

The kernel's counters start at 0 again whenever their chain is written anew or their set is named
anew. Here they become totals that only grow as long as the agent lives: each reading adds what a
counter rose by since the last one, or all of it if it fell. What a chain counted up to its last
dump is taken over before it is replaced.

The totals start with the agent, not with the kernel: what the rules had counted before the first
reading is known to an agent before this one, so it is not counted again. `epoch` names the life.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from firewall.agent.netfilter import Netfilter, Version
from firewall.ruleset.counted import Subject, readings, set_readings, subject
from firewall.ruleset.parse import Dump

#: More subjects than this, and the account is closed and a new one opened: a flood of banned
#: addresses must not fill the memory.
MOST_SUBJECTS = 200_000
_Place = tuple[int, str, str]  # version, chain, rule


class Ledger:
    """Totals by subject. Not safe for threads: its owner holds the agent's lock."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(8)
        self._totals: dict[Subject, int] = {}
        self._rules: dict[_Place, int] = {}
        self._members: dict[tuple[str, Subject], int] = {}
        self._known: set[Version] = set()
        self._sets_known = False

    def read(self, netfilter: Netfilter) -> dict[str, Any]:
        """The totals of now: `epoch` and `totals`, kind → key → packets; zeros are left out."""
        for version in (4, 6):
            self.note(version, netfilter.read(version))
        members = dict(_members(netfilter))
        for place, packets in members.items():
            if self._sets_known:
                self._add(place[1], packets, self._members.get(place, 0))
        self._members, self._sets_known = members, True
        if len(self._totals) > MOST_SUBJECTS:
            self._epoch, self._totals = secrets.token_hex(8), {}
        found: dict[str, dict[str, int]] = {}
        for (kind, key), packets in self._totals.items():
            found.setdefault(kind, {})[key] = packets
        return {"epoch": self._epoch, "totals": found}

    def note(self, version: Version, dump: Dump) -> None:
        """Take over what a whole dump of one family counts."""
        fresh = {
            (version, chain, rule): packets
            for chain, rule, packets in readings(dump)
            if (packets or (version, chain, rule) in self._rules)
        }
        if version in self._known:
            for (_, chain, rule), packets in fresh.items():
                what = subject(chain, rule)
                if what:
                    self._add(what, packets, self._rules.get((version, chain, rule), 0))
        self._rules = {at: n for at, n in self._rules.items() if at[0] != version} | fresh
        self._known.add(version)

    def replaced(self, version: Version, before: Dump, chains: Iterable[str]) -> None:
        """These chains of `before` are gone: keep what they counted, expect 0 of their heirs."""
        if not before.own:
            self._known.add(version)  # nothing of ours was there, so nothing was counted
        gone = set(chains)
        for chain, rule, packets in readings(before):
            if chain in gone:
                last = self._rules.pop((version, chain, rule), 0)
                what = subject(chain, rule)
                if what and version in self._known:
                    self._add(what, packets, last)

    def _add(self, what: Subject, now: int, last: int) -> None:
        risen = now - last if now >= last else now
        if risen:
            self._totals[what] = self._totals.get(what, 0) + risen


def _members(netfilter: Netfilter) -> Iterable[tuple[tuple[str, Subject], int]]:
    return (((name, what), packets) for name, what, packets in set_readings(netfilter.read_sets()))
