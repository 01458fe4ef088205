"""Apply, compare, put back: what the agent's verbs do to the kernel.

Sets that hold an intent are named by their content and made first, unused; then one transaction a
family brings the rules that refer to them. Killed at any instant, a family's rules are wholly the
old or the new ones, and the next start or apply converges.
"""

import contextlib
import fcntl
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from ddiweb.deploy.errors import Failed, Refused, Retryable
from firewall.agent.amend import Amender, Ground
from firewall.agent.config import Config
from firewall.agent.cutter import Cutter
from firewall.agent.flows import Flows, Whereabouts
from firewall.agent.jail import Jail
from firewall.agent.journal import amended
from firewall.agent.kernel import Kernel, View
from firewall.agent.netfilter import VERSIONS, Netfilter, RestoreError
from firewall.agent.places import Atlas
from firewall.agent.state import State, still_revoked, without
from firewall.ruleset.diff import brief
from firewall.ruleset.parse import token_packets
from firewall.ruleset.types import Intent, Token


class Engine:
    """The verbs. One lock, in this process and against others (flock)."""

    def __init__(self, config: Config, netfilter: Netfilter, state: State) -> None:
        self._config = config
        self._netfilter = netfilter
        self._state = state
        self._lock = threading.Lock()
        whereabouts = Whereabouts()
        self._cutter = Cutter(netfilter, whereabouts)
        self._kernel = Kernel(config, netfilter)
        self.jail = Jail(config, netfilter, self._good)
        self.flows = Flows(netfilter, self._good, whereabouts)
        self._amender = Amender(config, netfilter, self._kernel)

    def apply(self, intent: Intent, fence: int) -> dict[str, Any]:
        """Bring `intent` into force; raises `Refused` (nothing changed) or `Failed` (see text)."""
        with self._alone():
            self._state.raise_fence(fence)
            return self._bring(self._same(intent))

    def amend(self, add: Sequence[Token], drop: Sequence[int], fence: int) -> dict[str, Any]:
        """Let these tokens in and shut those marks out, and change nothing else of the good rules.

        Milliseconds if the rules are known to be as they should, else as long as `apply`.
        """
        with self._alone():
            self._state.raise_fence(fence)
            good = self._state.current
            if good is None:
                raise Refused("amend: no good ruleset is kept; apply one")
            wanted, changed = amended(good.intent, add, drop)
            new = wanted is not good.intent
            if new and not self._state.amendable:
                return self._bring(wanted)
            with self._state.noted(add, drop) if new else contextlib.nullcontext():
                if not self._amender.amend(good.intent, wanted, changed):
                    return self._bring(wanted)
            self._state.amend(wanted)
            self._cut(wanted)
            return {"changed": new}

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
            intent = self._same(intent)
            view = self._kernel.look(intent)
            self._stand(intent, view)
        lines = [f"set {line}" for line in brief(view.set_lines)]
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
            "conntrack": self._netfilter.connections.there,
            "jail": self.jail.status(),
            "warnings": self._warnings(),
        }
        if good:
            with self._alone():
                view = self._look_at_good(good.intent)
                self._stand(good.intent, view)
            lines = [line for one in view.differences.values() for line in one.lines()]
            report["in_force"] = view.right
            report["drift"] = (lines + [f"set {line}" for line in brief(view.set_lines)])[:200]
            report["counters"] = token_packets(view.dumps.values())
        return report

    def counters(self) -> dict[str, Any]:
        """What each token, vendor, ban and reason to drop has counted (see `counters`)."""
        with self._alone():
            return self._kernel.ledger.read(self._netfilter)

    @property
    def atlas(self) -> Atlas:
        """Which addresses belong to a country."""
        return self._kernel.atlas

    def live(self) -> tuple[Intent | None, dict[str, frozenset[str]]]:
        """The last good intent; the addresses that the kernel holds as seen, cut, jailed."""
        good, have = self._state.current, self._netfilter.read_sets()
        members: dict[str, frozenset[str]] = {}
        for kind in ("seen", "cut", "jail"):
            found = [have[f"ddi-{kind}{v}"].members for v in VERSIONS if f"ddi-{kind}{v}" in have]
            members[kind] = frozenset().union(*found)
        return (good.intent if good else None), members

    def _look_at_good(self, good: Intent) -> View:
        return self._kernel.look(good)

    def _good(self) -> Intent | None:
        return self._state.current.intent if self._state.current else None

    def _warnings(self) -> list[str]:
        warnings = []
        if not self._netfilter.connections.there:
            warnings.append(
                "the kernel does not list its connections (conntrack: modprobe "
                "nf_conntrack_netlink): the RTP of a revoked phone ends only with its proof"
            )
        if self._state.damage:
            warnings.append(self._state.damage)
        if self._netfilter.other_backend() is None:
            warnings.append("rules of the other iptables backend can't be read")
        return warnings

    def _bring(
        self,
        intent: Intent,
        *,
        way_back: bool = True,
        mixed: bool = False,
        fence: int | None = None,
    ) -> dict[str, Any]:
        before = self._kernel.look(intent)
        if not mixed:
            self._kernel.refuse_mixed()
        if not before.right:
            self._state.stage(intent, way_back=way_back, fence=fence)
            after = self._change(intent, before)
        else:
            after = before
            if not self._kept(intent):
                self._state.stage(intent, way_back=way_back, fence=fence)
        self._state.keep()
        self._stand(intent, after)
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

    def _change(self, intent: Intent, before: View) -> View:
        """Change the kernel and read it back; else put the last good rules back."""
        try:
            self._kernel.load(intent, before)
            after = self._kernel.look(intent)
            if after.right:
                return after
            fault = "read back, the rules differ from what was loaded"
        except (RestoreError, Retryable) as error:
            fault = str(error)
        return self._put_back(fault)

    def _same(self, intent: Intent) -> Intent:
        """The good intent itself, if this one equals it: what is known of it holds."""
        good = self._state.current
        return good.intent if good is not None and good.intent == intent else intent

    def _stand(self, intent: Intent, view: View) -> None:
        """Remember where `amend` may start from, once the rules were read and found right."""
        good = self._state.current
        if view.right and good is not None and good.intent is intent:
            self._amender.ground = Ground(intent, view.slots, view.imprint)

    def _put_back(self, fault: str) -> NoReturn:
        """The last good rules again (or none of ours, if there never were any); always raises."""
        good = self._state.current
        try:
            if good is None:
                self._kernel.remove_all()
                raise Refused(f"{fault}; nothing of it is loaded")
            view = self._kernel.look(good.intent)
            if view.right:
                raise Refused(f"{fault}; the rules before it stayed in force")
            self._kernel.load(good.intent, view)
            if self._kernel.look(good.intent).right:
                raise Failed(f"{fault}; the last good rules are in force again")
        except (RestoreError, Retryable) as error:
            raise Failed(f"{fault}; and the last good rules can't be loaded: {error}") from None
        raise Failed(f"{fault}; and the last good rules are not in force")

    def _kept(self, intent: Intent) -> bool:
        good = self._state.current
        return good is not None and good.intent.digest() == intent.digest()

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
