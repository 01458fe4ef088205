"""Changes on trial: what could lock the administrator out is in force for a time only.

The kernel counts that time (firewall/ruleset/trial.py), so nothing that can be killed has to be
alive for the rules before to come back. The disk keeps the rules before, too: what a boot loads
changes only by a confirmation, and that needs proof of a new connection to a management port.
"""

import contextlib
import dataclasses
import ipaddress
import threading
import time
from typing import Any

from ddiweb.deploy.errors import DeployError, Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.engine import Engine
from firewall.agent.kernel import VERSIONS, View
from firewall.agent.log import log
from firewall.agent.netfilter import Netfilter, RestoreError, Version
from firewall.agent.state import State, without
from firewall.ruleset import trial as rules
from firewall.ruleset.critical import FIRST, split
from firewall.ruleset.diff import difference, set_commands
from firewall.ruleset.parse import Dump, SetDump, token_packets
from firewall.ruleset.pieces import TOO_LONG, active_slot, loading, other_slot, removing
from firewall.ruleset.rules import Chain
from firewall.ruleset.types import Intent

USUAL = 60  # seconds
_FILE = "trial.json"
_LATER = 0.3  # seconds after its end at which a lapsed trial is cleared away


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
        found: set[str] = set()
        for version in VERSIONS:
            held = self.sets.get(rules.proof_set(version))
            found |= held.members if held else set()
        return found


class TrialEngine(Engine):
    """The verbs, where some changes need a person's word."""

    def __init__(self, config: Config, netfilter: Netfilter, state: State) -> None:
        super().__init__(config, netfilter, state)
        self._trial: Trial | None = None
        self._clock: threading.Timer | None = None

    def apply(self, intent: Intent, fence: int, window: int = 0) -> dict[str, Any]:
        """Bring `intent` into force: what could cut somebody off for `window` seconds only.

        With `window` 0 there is no trial; the first rules of a host have one all the same if the
        configuration says `confirm_first`. Raises as `Engine.apply`; `Retryable` during a trial.
        """
        with self._alone():
            self._state.raise_fence(fence)
            self._refuse_second()
            good = self._state.current
            if good is None and self._config.confirm_first:
                return self._begin(intent, window or USUAL, (FIRST,))
            if good is None or not window:
                return self._bring(intent)
            parts = split(good.intent, intent, self._config.management)
            if not parts.changes:
                return self._bring(intent)
            done = self._bring(parts.now, way_back=False)
            return done | self._begin(intent, window, parts.changes)

    def confirm(self, fence: int) -> dict[str, Any]:
        """Keep what is on trial; raises `Refused` without proof of a new connection.

        Asked again after it was kept, it changes nothing and says so.
        """
        with self._alone():
            good, running = self._state.current, self._running()
            if running is None:
                if good is not None and good.fence == fence:
                    return {"changed": False, "digest": good.intent.digest()}
                raise Refused("confirm: no trial is running; the rules before it are in force")
            trial = self._known(running)
            if trial.fence != fence:
                raise Refused(f"fence: {fence} is not that of the trial, {trial.fence}")
            self._refuse_unproved(trial, running)
            self._keep(trial, running)
            return {"changed": True, "digest": trial.intent.digest()}

    def rollback(self, fence: int) -> dict[str, Any]:
        """Drop a trial of this fence at once; without one, take back what was applied under it."""
        with self._alone():
            trial = self._trial
            if trial is None or trial.fence != fence or self._running() is None:
                trial = None
            else:
                self._drop()
        if trial is not None:
            return {"changed": True}
        return super().rollback(fence)

    def revoke(self, marks: list[int], fence: int) -> dict[str, Any]:
        """Shut these tokens out, of both generations while a trial runs."""
        with self._alone():
            running = self._running()
            if running is not None and self._trial is not None:
                self._state.raise_fence(fence)
                return self._revoke_both(marks, self._trial, running)
        return super().revoke(marks, fence)

    def restore(self) -> dict[str, Any] | None:
        """Bring the last good intent into force; a trial that the kernel still times goes on."""
        with self._alone():
            running = self._found()
            if running is not None:
                self._trial = self._remembered(running)
                self._watch(running.seconds)
                return {"changed": False, "trial": running.seconds}
            if self._state.current is None:
                self._clear()
            self._forget()
        return super().restore()

    def plan(self, intent: Intent) -> list[str]:
        """What `apply` would change; during a trial, what of it is not tried already."""
        with self._alone():
            running = self._running()
            view = self._kernel.look(intent, running and _tried(running))
        lines = [f"set {line}" for line in view.set_lines]
        return lines + [line for one in view.differences.values() for line in one.lines()]

    def status(self) -> dict[str, Any]:
        """What is in force, and the trial: seconds left by the kernel, what it changes, proofs."""
        with self._alone():
            running = self._running()
        report = super().status()
        report["confirmed"] = self._state.current.fence if self._state.current else None
        report["trial"] = running and {
            "seconds": running.seconds,
            "changes": list(self._trial.changes) if self._trial else [],
            "fence": self._trial.fence if self._trial else None,
            "digest": self._trial.intent.digest() if self._trial else None,
            "proofs": sorted(self._proved(self._trial, running)) if self._trial else [],
        }
        if running is not None:
            report["counters"] = token_packets(running.dumps.values())
        return report

    def live(self) -> tuple[Intent | None, dict[str, frozenset[str]]]:
        """The intent in force, on trial or good; the addresses held as `seen` and as `cut`."""
        good, members = super().live()
        with self._alone():
            tried = self._trial.intent if self._trial and self._running() else None
        return tried or good, members

    def tidy(self) -> None:
        """Clear away what a trial left that ran out; does nothing to one that runs."""
        with self._alone():
            running = self._running()
            if running is not None:
                self._watch(running.seconds)
            else:
                self._clear()

    def _look_at_good(self, good: Intent) -> View:
        running = self._running()
        return self._kernel.look(good, running and _before(running))

    def _refuse_second(self) -> None:
        running = self._running()
        if running is not None:
            raise Retryable(f"trial: another change is on trial for {running.seconds} s")

    def _running(self) -> Running | None:
        """The trial that the kernel times now, in both families and behind our hook.

        Without a clock of ours there is none: `restore` looked at the start of this process.
        """
        return self._found() if self._clock else None

    def _found(self) -> Running | None:
        sets = self._netfilter.read_sets()
        held = [sets[n] for n in map(rules.trial_set, VERSIONS) if n in sets and sets[n].members]
        if len(held) < len(VERSIONS):
            return None
        dumps = {version: self._netfilter.read(version) for version in VERSIONS}
        slots = {version: rules.on_trial(dump) for version, dump in dumps.items()}
        if None in slots.values() or not all(map(rules.hooked, dumps.values())):
            return None
        found = {version: slot for version, slot in slots.items() if slot}
        return Running(min(one.left for one in held), dumps, found, sets)

    def _begin(self, intent: Intent, window: int, changes: tuple[str, ...]) -> dict[str, Any]:
        """Load the new generation where no packet goes, then turn both families to it."""
        self._kernel.refuse_mixed()
        trial = Trial(intent, self._state.fence, self._serial(), time.time(), changes)
        self._state.write(_FILE, trial.to_json())
        try:
            self._load_dormant(trial, window)
            self._netfilter.restore_sets(rules.begin(window))
        except (RestoreError, DeployError) as error:
            self._drop()
            raise Refused(f"{error}; the trial did not begin, the rules before it stay") from None
        self._trial = trial
        self._watch(window)
        running = self._running()
        if running is None or any(self._wrong(trial, running)):
            self._drop()
            raise Refused("trial: read back, it differs from what was loaded; it was ended")
        return {
            "changed": True,
            "digest": intent.digest(),
            "trial": {"seconds": window, "changes": list(changes)},
        }

    def _load_dormant(self, trial: Trial, window: int) -> None:
        have = self._netfilter.read_sets()
        lines = rules.prepare(window)
        dumps = {version: self._netfilter.read(version) for version in VERSIONS}
        slots = {version: other_slot(active_slot(dump)) for version, dump in dumps.items()}
        for version, slot in slots.items():
            for one in self._kernel.family(trial.intent, version, slot).sets:
                lines += set_commands(one, have.get(one.name))
        self._netfilter.restore_sets(lines)
        for version, slot in slots.items():
            family = self._kernel.family(trial.intent, version, slot)
            turn = self._entry(trial, version, slot)
            change = rules.dormant(dumps[version], family, turn)
            try:
                self._netfilter.restore(version, change.text())
            except RestoreError as error:
                if TOO_LONG not in str(error):
                    raise
                for piece in loading(family):
                    self._netfilter.restore(version, piece)
                only_turn = dataclasses.replace(change, chains=change.chains[-1:])
                self._netfilter.restore(version, only_turn.text())

    def _entry(self, trial: Trial, version: Version, slot: str) -> Chain:
        ports = sorted({*self._config.management.ports, *trial.intent.management_ports})
        based = self._state.current is not None
        return rules.entry(version, slot, ports, trial.serial, based)

    def _serial(self) -> int:
        """One that no open connection carries: what an earlier trial proved, proves nothing now."""
        marks = {mark for v in VERSIONS for mark in self._netfilter.marks(v, rules.TRIAL_BIT)}
        used = set(map(rules.serial_of, marks))
        first = self._state.fence % rules.SERIALS
        order = [(first + step) % rules.SERIALS for step in range(rules.SERIALS)]
        return next((serial for serial in order if serial not in used), first)

    def _keep(self, trial: Trial, running: Running) -> None:
        """One transaction a family: the entry leads to the new generation, the old one goes."""
        if any(self._wrong(trial, running)):
            raise Refused("confirm: the rules on trial were changed by another program; try again")
        self._state.stage(trial.intent, fence=trial.fence)
        try:
            for version, dump in running.dumps.items():
                self._turn(trial.intent, version, dump, running.slots[version])
            right = self._kernel.look(trial.intent).right
            fault = "" if right else "read back, the confirmed rules differ"
        except (RestoreError, Retryable) as error:
            fault = str(error)
        if fault:
            self._put_back(fault)
        self._state.keep()
        self._forget()
        self._clear_sets()

    def _turn(self, intent: Intent, version: Version, dump: Dump, slot: str) -> None:
        change = difference(dump, self._kernel.family(intent, version, slot))
        try:
            self._netfilter.restore(version, change.text())
        except RestoreError as error:
            if TOO_LONG not in str(error):
                raise
            self._netfilter.restore(version, dataclasses.replace(change, stale=()).text())
            for piece in removing([name for name, _ in change.stale]):
                self._netfilter.restore(version, piece)

    def _revoke_both(self, marks: list[int], trial: Trial, running: Running) -> dict[str, Any]:
        tried = dataclasses.replace(trial, intent=without(trial.intent, marks))
        sides = [(tried.intent, running.slots)]
        good = self._state.current
        if good is not None:
            bases = {version: other_slot(slot) for version, slot in running.slots.items()}
            sides.append((without(good.intent, marks), bases))
            self._state.stage(sides[1][0])
        self._state.write(_FILE, tried.to_json())
        try:
            for version, dump in running.dumps.items():
                for intent, slots in sides:
                    family = self._kernel.family(intent, version, slots[version])
                    change = rules.within(dump, slots[version], family)
                    if change:
                        self._netfilter.restore(version, change.text())
        except RestoreError:
            self._drop()  # a thief is not let in for the sake of a trial
            return self._bring(sides[-1][0]) if good else {"changed": True}
        self._trial = tried
        self._state.keep()
        self._cut(tried.intent)
        return {"changed": True, "digest": tried.intent.digest()}

    def _wrong(self, trial: Trial, running: Running) -> list[Any]:
        """What is not as it was loaded of the generation on trial."""
        view = self._kernel.look(trial.intent, _tried(running))
        return [*view.set_lines, *filter(None, view.differences.values())]

    def _refuse_unproved(self, trial: Trial, running: Running) -> None:
        if not self._proved(trial, running):
            where = ", ".join(map(str, self._config.management.ports))
            raise Refused(
                "confirm: no new connection from a management network was seen since the trial "
                f"began; open one to TCP port {where}, a second SSH session for example (an old "
                "connection proves nothing), then confirm again"
            )

    def _proved(self, trial: Trial, running: Running) -> set[str]:
        nets = [*self._config.management.networks, *trial.intent.management]
        parsed = [ipaddress.ip_network(net) for net in nets]
        return {
            text for text in running.proofs if any(ipaddress.ip_address(text) in n for n in parsed)
        }

    def _known(self, running: Running) -> Trial:
        if self._trial is None:
            raise Refused(
                f"confirm: the agent does not know the trial in the kernel; it ends in "
                f"{running.seconds} s, then apply again"
            )
        return self._trial

    def _remembered(self, running: Running) -> Trial | None:
        """The trial of a predecessor, if the kernel holds exactly what the file says."""
        try:
            trial = Trial.from_json(self._state.read(_FILE))
            return None if any(self._wrong(trial, running)) else trial
        except (DeployError, KeyError, TypeError, ValueError):
            return None

    def _drop(self) -> None:
        """End a trial now: both families turn back together, then it is cleared away."""
        with contextlib.suppress(RestoreError):  # without the sets nothing chooses the trial
            self._netfilter.restore_sets(rules.end())
        self._clear()

    def _clear(self) -> None:
        """The good rules alone; the first trial of a host leaves none of ours behind."""
        good = self._state.current
        if good is not None:
            self._bring(good.intent, mixed=True)
        elif all(rules.unfounded(self._netfilter.read(version)) for version in VERSIONS):
            self._kernel.remove_all()
            for name in self._netfilter.read_sets():
                self._netfilter.destroy_set(name)
        self._forget()

    def _clear_sets(self) -> None:
        for version in VERSIONS:
            self._netfilter.destroy_set(rules.trial_set(version))
            self._netfilter.destroy_set(rules.proof_set(version))

    def _forget(self) -> None:
        self._trial = None
        self._state.forget(_FILE)
        if self._clock:
            self._clock.cancel()
            self._clock = None

    def _watch(self, seconds: float) -> None:
        if self._clock:
            self._clock.cancel()
        self._clock = threading.Timer(seconds + _LATER, self._lapsed)
        self._clock.daemon = True
        self._clock.start()

    def _lapsed(self) -> None:
        try:
            self.tidy()
        except (DeployError, RestoreError) as error:
            log("trial", error=str(error))
            self._watch(1)
        else:
            log("trial", ended="nobody confirmed it")


def _tried(running: Running) -> dict[Version, Dump]:
    """What the kernel holds, as if the generation on trial stood alone."""
    return {v: rules.only(dump, running.slots[v]) for v, dump in running.dumps.items()}


def _before(running: Running) -> dict[Version, Dump]:
    """What the kernel holds, as if nothing was on trial."""
    return {v: rules.only(dump, other_slot(running.slots[v])) for v, dump in running.dumps.items()}
