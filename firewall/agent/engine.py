"""Apply, compare, put back: what the agent's verbs do to the kernel.

Sets that hold an intent are named by their content and made first, unused; then one transaction a
family brings the rules that refer to them. Killed at any instant, a family's rules are wholly the
old or the new ones, and the next start or apply converges.
"""

import contextlib
import dataclasses
import fcntl
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from ddiweb.deploy.errors import Failed, Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.cutter import Cutter
from firewall.agent.netfilter import Netfilter, RestoreError, Version
from firewall.agent.state import State, still_revoked, without
from firewall.ruleset.build import build
from firewall.ruleset.diff import Difference, difference, removal, set_commands
from firewall.ruleset.parse import Dump, SetDump, token_packets
from firewall.ruleset.pieces import TOO_LONG, active_slot, other_slot, pieces
from firewall.ruleset.rules import AddressSet, Family
from firewall.ruleset.types import Intent

VERSIONS: tuple[Version, Version] = (4, 6)
_ATTEMPTS = 3  # somebody may move the hook between a dump and a restore


@dataclasses.dataclass(frozen=True)
class View:
    """What the kernel holds, and how that differs from what it should hold."""

    families: list[Family]
    dumps: dict[Version, Dump]
    differences: dict[Version, Difference]
    set_lines: list[str]
    stale_sets: list[str]

    @property
    def right(self) -> bool:
        """Whether rules, hook and sets are all as wanted."""
        return not self.set_lines and not any(self.differences.values())


class Engine:
    """The verbs. One lock, in this process and against others (flock)."""

    def __init__(self, config: Config, netfilter: Netfilter, state: State) -> None:
        self._config = config
        self._netfilter = netfilter
        self._state = state
        self._lock = threading.Lock()
        self._cutter = Cutter(netfilter)
        self._rendered: deque[tuple[Intent, tuple[Version, str], Family]] = deque(maxlen=8)

    def apply(self, intent: Intent, fence: int) -> dict[str, Any]:
        """Bring `intent` into force; raises `Refused` (nothing changed) or `Failed` (see text)."""
        with self._alone():
            self._state.raise_fence(fence)
            return self._bring(intent)

    def rollback(self, fence: int) -> dict[str, Any]:
        """Take back what was applied under `fence`; what was revoked stays revoked.

        If nothing was (it failed and was put back at once, or was the same already), the current
        good intent is brought into force again: asked twice, it does not go back twice.
        """
        with self._alone():
            self._state.raise_fence(fence)
            good = self._state.current
            if good is not None and good.fence == fence and self._state.previous is not None:
                good = self._state.previous
            if good is None:
                raise Refused("rollback: no good ruleset is kept; apply one")
            intent = good.intent
            if self._state.current is not None:
                intent = still_revoked(intent, self._state.current.intent)
            return self._bring(intent, way_back=False)

    def revoke(self, marks: list[int], fence: int) -> dict[str, Any]:
        """Shut these tokens out of the good rules, whatever else the panel can't bring about."""
        with self._alone():
            self._state.raise_fence(fence)
            good = self._state.current
            if good is None:
                return {"changed": False}
            return self._bring(without(good.intent, marks))

    def restore(self) -> dict[str, Any] | None:
        """Bring the last good intent into force again (start, boot); None if there is none.

        Here rules of the other backend are no reason to refuse: without ours the host stood open.
        """
        with self._alone():
            good = self._state.current
            return self._bring(good.intent, mixed=True) if good else None

    def plan(self, intent: Intent) -> list[str]:
        """What `apply` would change, for a person, tokens redacted."""
        with self._alone():
            view = self._look(intent)
        lines = [f"set {line}" for line in view.set_lines]
        return lines + [line for one in view.differences.values() for line in one.lines()]

    def cut(self, marks: list[int]) -> dict[str, Any]:
        """End the live flows of these tokens and the RTP of their addresses."""
        with self._alone():
            good = self._state.current
            live = {token.mark for token in good.intent.tokens} if good else set()
            return {"cut": self._cutter.cut(set(marks), live - set(marks))}

    def status(self) -> dict[str, Any]:
        """What is in force, read from the kernel now."""
        good = self._state.current
        report: dict[str, Any] = {
            "digest": good.intent.digest() if good else None,
            "generation": good.intent.generation if good else None,
            "applied_at": good.applied_at if good else None,
            "fence": self._state.fence,
            "backend": self._config.backend,
            "in_force": False,
            "drift": [],
            "counters": {},
            "conntrack": self._netfilter.has_conntrack,
            "warnings": self._warnings(),
        }
        if good:
            with self._alone():
                view = self._look(good.intent)
            lines = [line for one in view.differences.values() for line in one.lines()]
            report["in_force"] = view.right
            report["drift"] = (lines + [f"set {line}" for line in view.set_lines])[:200]
            report["counters"] = token_packets(view.dumps.values())
        return report

    def live(self) -> tuple[Intent | None, dict[str, frozenset[str]]]:
        """The last good intent; the addresses that the kernel holds as `seen` and as `cut`."""
        good, have = self._state.current, self._netfilter.read_sets()
        members: dict[str, frozenset[str]] = {}
        for kind in ("seen", "cut"):
            found = [have[f"ddi-{kind}{v}"].members for v in VERSIONS if f"ddi-{kind}{v}" in have]
            members[kind] = frozenset().union(*found)
        return (good.intent if good else None), members

    def _warnings(self) -> list[str]:
        warnings = []
        if not self._netfilter.has_conntrack:
            warnings.append(
                "conntrack is not installed: the RTP of a revoked phone ends only with its proof"
            )
        if self._state.damage:
            warnings.append(self._state.damage)
        if self._netfilter.other_backend() is None:
            warnings.append("rules of the other iptables backend can't be read")
        return warnings

    def _bring(
        self, intent: Intent, *, way_back: bool = True, mixed: bool = False
    ) -> dict[str, Any]:
        before = self._look(intent)
        if not mixed:
            self._refuse_mixed()
        if not before.right:
            self._state.stage(intent, way_back=way_back)
            self._change(intent, before)
        elif not self._kept(intent):
            self._state.stage(intent, way_back=way_back)
        self._state.keep()
        self._cut(intent)
        for name in before.stale_sets:
            self._netfilter.destroy_set(name)
        return {
            "changed": not before.right,
            "digest": intent.digest(),
            "rules": {
                f"v{one.version}": sum(len(chain.rules) for chain in one.chains)
                for one in before.families
            },
        }

    def _cut(self, intent: Intent) -> None:
        try:
            self._cutter.cut_once(set(intent.revoked), {token.mark for token in intent.tokens})
        except (Refused, Retryable, RestoreError) as error:
            raise Retryable(
                f"the rules are in force, but flows of revoked tokens may live on: {error}"
            ) from None

    def _change(self, intent: Intent, before: View) -> None:
        """Change the kernel and read it back; else put the last good rules back."""
        try:
            self._load(intent, before)
            if self._look(intent).right:
                return
            fault = "read back, the rules differ from what was loaded"
        except (RestoreError, Retryable) as error:
            fault = str(error)
        self._put_back(fault)

    def _load(self, intent: Intent, view: View) -> None:
        self._netfilter.restore_sets(view.set_lines)
        for version in VERSIONS:
            for attempt in range(_ATTEMPTS):
                dump = view.dumps[version] if attempt == 0 else self._netfilter.read(version)
                try:
                    self._load_family(intent, version, dump)
                    break
                except RestoreError:
                    if attempt == _ATTEMPTS - 1:
                        raise

    def _load_family(self, intent: Intent, version: Version, dump: Dump) -> None:
        change = difference(dump, self._family(intent, version, active_slot(dump)))
        if not change:
            return
        try:
            self._netfilter.restore(version, change.text())
        except RestoreError as error:
            if TOO_LONG not in str(error):
                raise
            other = self._family(intent, version, other_slot(active_slot(dump)))
            for piece in pieces(dump, other):
                self._netfilter.restore(version, piece)

    def _put_back(self, fault: str) -> None:
        """The last good rules again (or none of ours, if there never were any); always raises."""
        good = self._state.current
        try:
            if good is None:
                self._remove_all()
                raise Refused(f"{fault}; nothing of it is loaded")
            view = self._look(good.intent)
            if view.right:
                raise Refused(f"{fault}; the rules before it stayed in force")
            self._load(good.intent, view)
            if self._look(good.intent).right:
                raise Failed(f"{fault}; the last good rules are in force again")
        except (RestoreError, Retryable) as error:
            raise Failed(f"{fault}; and the last good rules can't be loaded: {error}") from None
        raise Failed(f"{fault}; and the last good rules are not in force")

    def _remove_all(self) -> None:
        for version in VERSIONS:
            change = removal(self._netfilter.read(version), version)
            if change:
                self._netfilter.restore(version, change.text())

    def _family(self, intent: Intent, version: Version, slot: str) -> Family:
        """Rendered once for an intent, which each step of a request looks at again."""
        for known, key, family in self._rendered:
            if known is intent and key == (version, slot):
                return family
        made = build(intent, self._config.management, version, slot)
        self._rendered.append((intent, (version, slot), made))
        return made

    def _look(self, intent: Intent) -> View:
        dumps = {version: self._netfilter.read(version) for version in VERSIONS}
        families = [self._family(intent, v, active_slot(dump)) for v, dump in dumps.items()]
        have = self._netfilter.read_sets()
        wanted = [one for family in families for one in family.sets]
        for one in wanted:
            _same_kind(one, have.get(one.name))
        lines = [line for one in wanted for line in set_commands(one, have.get(one.name))]
        stale = sorted(have.keys() - {one.name for one in wanted})
        changes = {one.version: difference(dumps[one.version], one) for one in families}
        return View(families, dumps, changes, lines, stale)

    def _kept(self, intent: Intent) -> bool:
        good = self._state.current
        return good is not None and good.intent.digest() == intent.digest()

    def _refuse_mixed(self) -> None:
        other = self._netfilter.other_backend()
        if other:
            raise Refused(
                f"backend: {other} apply beside ours; move them to {self._config.backend} or "
                "remove them (update-alternatives --display iptables), then apply again"
            )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=30):
            raise Retryable("the agent is busy with another change")
        try:
            with self._state.lock_path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Refused(f"state: {error.strerror}") from None
        finally:
            self._lock.release()


def _same_kind(wanted: AddressSet, have: SetDump | None) -> None:
    if have is not None and have.type != wanted.type:
        raise Refused(f"set {wanted.name} exists as {have.type}; remove it with ipset destroy")
