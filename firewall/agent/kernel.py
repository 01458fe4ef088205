"""The rules and sets that an intent means, beside what the kernel holds, and the way there."""

import dataclasses
from collections import deque

from ddiweb.deploy.errors import Refused
from firewall.agent.config import Config
from firewall.agent.counters import Ledger
from firewall.agent.imprint import Imprint, imprint
from firewall.agent.netfilter import VERSIONS, Netfilter, RestoreError, Version
from firewall.agent.places import Atlas
from firewall.ruleset.build import build
from firewall.ruleset.diff import Difference, difference, removal, set_commands
from firewall.ruleset.parse import Dump, SetDump
from firewall.ruleset.pieces import TOO_LONG, active_slot, other_slot, pieces
from firewall.ruleset.rules import AddressSet, Family
from firewall.ruleset.types import Intent

_ATTEMPTS = 3  # somebody may move the hook between a dump and a restore


@dataclasses.dataclass(frozen=True)
class View:
    """What the kernel holds, and how that differs from what it should hold."""

    imprint: Imprint  # taken before anything was read
    slots: dict[Version, str]
    families: list[Family]
    dumps: dict[Version, Dump]
    differences: dict[Version, Difference]
    set_lines: list[str]
    stale_sets: list[str]

    @property
    def right(self) -> bool:
        """Whether rules, hook and sets are all as wanted."""
        return not self.set_lines and not any(self.differences.values())


class Kernel:
    """Looks, compares and loads; knows nothing of what is good or who asked."""

    def __init__(self, config: Config, netfilter: Netfilter) -> None:
        self._config = config
        self._netfilter = netfilter
        self.ledger = Ledger()
        self.atlas = Atlas(config.country_files)
        self._rendered: deque[tuple[Intent, tuple[Version, str], Family]] = deque(maxlen=8)

    def load(self, intent: Intent, view: View) -> None:
        """Bring about what `view` lacks, a transaction a family; raises `RestoreError`."""
        self._netfilter.restore_sets(view.set_lines)
        todo = {version: change for version, change in view.differences.items() if change}
        faults = self._netfilter.restore_both({v: change.text() for v, change in todo.items()})
        for version in todo.keys() - faults.keys():
            self.ledger.replaced(version, view.dumps[version], todo[version].names)
        for version, fault in faults.items():
            self._again(intent, version, view.dumps[version], fault)

    def _again(self, intent: Intent, version: Version, dump: Dump, fault: RestoreError) -> None:
        """What was too long goes in pieces; else look anew, for somebody may have moved the hook.

        Raises `RestoreError` after the last attempt.
        """
        for attempt in range(_ATTEMPTS):
            try:
                if TOO_LONG in str(fault):
                    return self._in_pieces(intent, version, dump)
                dump = self._netfilter.read(version)
                change = difference(dump, self.family(intent, version, active_slot(dump)))
                if change:
                    self._netfilter.restore(version, change.text())
                    self.ledger.replaced(version, dump, change.names)
                return None
            except RestoreError as error:
                if attempt == _ATTEMPTS - 1:
                    raise
                fault = error
        return None

    def _in_pieces(self, intent: Intent, version: Version, dump: Dump) -> None:
        other = self.family(intent, version, other_slot(active_slot(dump)))
        for piece in pieces(dump, other):
            self._netfilter.restore(version, piece)
        self.ledger.replaced(version, dump, dump.own)

    def remove_all(self) -> None:
        """Take all of ours out."""
        for version in VERSIONS:
            change = removal(self._netfilter.read(version), version)
            if change:
                self._netfilter.restore(version, change.text())

    def family(self, intent: Intent, version: Version, slot: str) -> Family:
        """Rendered once for an intent, which each step of a request looks at again."""
        for known, key, family in self._rendered:
            if known is intent and key == (version, slot):
                return family
        places = self.atlas.places(intent.countries, version)
        home = places.block() if places else None
        made = build(intent, self._config.management, version, slot, home)
        self._rendered.append((intent, (version, slot), made))
        return made

    def look(self, intent: Intent, dumps: dict[Version, Dump] | None = None) -> View:
        """Compare all (or these dumps) with `intent`; raises `Retryable` or `Refused`."""
        before = () if dumps else imprint(self._config.backend)
        dumps = dumps or self._netfilter.read_both()
        slots = {version: active_slot(dump) for version, dump in dumps.items()}
        families = [self.family(intent, v, slot) for v, slot in slots.items()]
        have = self._netfilter.read_sets()
        wanted = [one for family in families for one in family.sets]
        for one in wanted:
            _same_kind(one, have.get(one.name))
        lines = [line for one in wanted for line in set_commands(one, have.get(one.name))]
        stale = sorted(have.keys() - {one.name for one in wanted})
        changes = {one.version: difference(dumps[one.version], one) for one in families}
        return View(before, slots, families, dumps, changes, lines, stale)

    def refuse_mixed(self) -> None:
        """Raise `Refused` if rules of the other backend apply beside ours."""
        other = self._netfilter.other_backend()
        if other:
            raise Refused(
                f"backend: {other} apply beside ours; move them to {self._config.backend} or "
                "remove them (update-alternatives --display iptables), then apply again"
            )


def _same_kind(wanted: AddressSet, have: SetDump | None) -> None:
    if have is not None and have.type != wanted.type:
        raise Refused(f"set {wanted.name} exists as {have.type}; remove it with ipset destroy")
