"""Two generations of rules in the kernel at once: load, look at, choose, and keep one of them."""

import dataclasses
from typing import Any

from firewall.agent.config import Config
from firewall.agent.kernel import Kernel
from firewall.agent.netfilter import VERSIONS, Netfilter, RestoreError, Version
from firewall.ruleset import trial as rules
from firewall.ruleset.diff import Difference, difference, set_commands
from firewall.ruleset.parse import Dump, SetDump
from firewall.ruleset.pieces import TOO_LONG, active_slot, loading, other_slot, removing
from firewall.ruleset.types import Intent


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is tried, under which fence, since when (Unix time), and what it could cut off."""

    intent: Intent
    fence: int
    serial: int
    began: float
    changes: tuple[str, ...]

    @classmethod
    def from_json(cls, raw: Any) -> "Trial":
        """Raises `Refused` or what a wrong shape raises."""
        return cls(
            Intent.from_json(raw["intent"]),
            int(raw["fence"]),
            int(raw["serial"]),
            float(raw["began"]),
            tuple(map(str, raw["changes"])),
        )

    def to_json(self) -> dict[str, Any]:
        """For the file beside the good intents."""
        return {**vars(self), "intent": self.intent.to_json(), "changes": list(self.changes)}


@dataclasses.dataclass(frozen=True)
class Running:
    """A trial as the kernel holds it now."""

    seconds: int  # left, rounded by ipset
    dumps: dict[Version, Dump]
    slots: dict[Version, str]
    sets: dict[str, SetDump]

    @property
    def proofs(self) -> set[str]:
        """Addresses that opened a connection to a management port during it."""
        held = [self.sets.get(rules.proof_set(version)) for version in VERSIONS]
        return {address for one in held if one for address in one.members}

    @property
    def bases(self) -> dict[Version, str]:
        """The slots of the rules before it."""
        return {version: other_slot(slot) for version, slot in self.slots.items()}

    def alone(self, slots: dict[Version, str]) -> dict[Version, Dump]:
        """What the kernel holds, as if only these generations stood there."""
        return {version: rules.only(dump, slots[version]) for version, dump in self.dumps.items()}


class Generations:
    """The second generation beside the first."""

    def __init__(self, config: Config, netfilter: Netfilter, kernel: Kernel) -> None:
        self._config = config
        self._netfilter = netfilter
        self._kernel = kernel

    def running(self) -> Running | None:
        """The trial that the kernel times now, in both families and behind our hook."""
        sets = self._netfilter.read_sets()
        held = [sets[n] for n in map(rules.trial_set, VERSIONS) if n in sets and sets[n].members]
        if len(held) < len(VERSIONS):
            return None
        dumps = {version: self._netfilter.read(version) for version in VERSIONS}
        slots = {version: rules.on_trial(dump) for version, dump in dumps.items()}
        found = {version: slot for version, slot in slots.items() if slot}
        if len(found) < len(VERSIONS) or not all(map(rules.hooked, dumps.values())):
            return None
        return Running(min(one.left for one in held), dumps, found, sets)

    def begin(self, trial: Trial, window: int, *, based: bool) -> None:
        """Load `trial` where no packet goes, then turn both families to it at once.

        Without `based` there are no rules of ours before it. Raises `RestoreError`.
        """
        have = self._netfilter.read_sets()
        lines = rules.prepare(window)
        dumps = {version: self._netfilter.read(version) for version in VERSIONS}
        slots = {version: other_slot(active_slot(dump)) for version, dump in dumps.items()}
        for version, slot in slots.items():
            for one in self._kernel.family(trial.intent, version, slot).sets:
                lines += set_commands(one, have.get(one.name))
        self._netfilter.restore_sets(lines)
        ports = sorted({*self._config.management.ports, *trial.intent.management_ports})
        for version, slot in slots.items():
            family = self._kernel.family(trial.intent, version, slot)
            turn = rules.entry(version, slot, ports, trial.serial, based)
            change = rules.dormant(dumps[version], family, turn)
            turned = dataclasses.replace(change, chains=change.chains[-1:])
            self._load(version, change, [*loading(family), turned.text()])
        self._netfilter.restore_sets(rules.begin(window))

    def keep(self, intent: Intent, running: Running) -> None:
        """One transaction a family: the entry leads to the new generation, the old one goes."""
        for version, dump in running.dumps.items():
            family = self._kernel.family(intent, version, running.slots[version])
            change = difference(dump, family)
            turned = dataclasses.replace(change, stale=()).text()
            gone = removing([name for name, _ in change.stale])
            self._load(version, change, [turned, *gone])

    def change(self, intent: Intent, running: Running, slots: dict[Version, str]) -> None:
        """Bring one of the two generations to `intent`; the choice between them stays."""
        for version, dump in running.dumps.items():
            family = self._kernel.family(intent, version, slots[version])
            within = rules.within(dump, slots[version], family)
            if within:
                self._netfilter.restore(version, within.text())

    def wrong(self, trial: Trial, running: Running) -> bool:
        """Whether the generation on trial is not as it was loaded."""
        return not self._kernel.look(trial.intent, running.alone(running.slots)).right

    def serial(self, first: int) -> int:
        """One that no open connection carries: what an earlier trial proved, proves nothing now."""
        proofs = self._netfilter.connections.find(mark=rules.TRIAL_BIT, mask=rules.TRIAL_BIT)
        used = {rules.serial_of(flow.mark) for flow in proofs}
        order = [(first + step) % rules.SERIALS for step in range(rules.SERIALS)]
        return next((serial for serial in order if serial not in used), order[0])

    def unfounded(self) -> bool:
        """Whether all that stands is a first trial, with no rules of ours to fall back to."""
        return all(rules.unfounded(self._netfilter.read(version)) for version in VERSIONS)

    def _load(self, version: Version, change: Difference, pieces: list[str]) -> None:
        try:
            self._netfilter.restore(version, change.text())
        except RestoreError as error:
            if TOO_LONG not in str(error):
                raise
            for piece in pieces:
                self._netfilter.restore(version, piece)
