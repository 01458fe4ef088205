"""Changes on trial: what could lock the administrator out is in force for a time only.

The kernel counts that time (firewall/ruleset/trial.py), so nothing that can be killed has to be
alive for the rules before to come back. The disk keeps the rules before, too: what a boot loads
changes only by a confirmation, and that needs proof of a new connection to a management port.
"""

from collections.abc import Sequence
from typing import Any

from ddiweb.deploy.errors import Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.kernel import View
from firewall.agent.netfilter import Netfilter
from firewall.agent.staging import Stager
from firewall.agent.state import State
from firewall.agent.trial_course import LAPSED, TrialCourse
from firewall.ruleset.critical import FIRST, split
from firewall.ruleset.diff import brief
from firewall.ruleset.parse import token_packets
from firewall.ruleset.types import Intent, Token

USUAL = 60  # seconds


class TrialEngine(TrialCourse):
    """The verbs, where some changes need a person's word."""

    def __init__(
        self, config: Config, netfilter: Netfilter, state: State, stager: Stager | None = None
    ) -> None:
        super().__init__(config, netfilter, state)
        self._stager = stager

    def apply(
        self,
        intent: Intent,
        fence: int,
        window: int = 0,
        *,
        hold: bool = False,
        requested_from: str | None = None,
    ) -> dict[str, Any]:
        """Bring `intent` into force: what could cut somebody off for `window` seconds only.

        With `window` 0 there is no trial; the first rules of a host have one all the same if the
        configuration says `confirm_first`. With `hold` nothing is tried again that nobody
        confirmed the last time: the answer names it as `held`. What `requested_from` can reach
        now it must reach after. Raises as `Engine.apply`; `Retryable` during a trial.
        """
        good = self._state.current
        if self._stager:
            self._stager.check(good.intent if good else None, intent, requested_from)
        with self._alone():
            self._state.raise_fence(fence)
            if running := self._running():
                raise Retryable(f"trial: another change is on trial for {running.seconds} s")
            good = self._state.current
            if good is None and self._config.confirm_first:
                if self._held(intent, (FIRST,), hold):
                    raise Refused("nobody confirmed the first rules of this host; try them again")
                return self._begin(intent, window or USUAL, (FIRST,))
            changes: tuple[str, ...] = ()
            if good is not None and window:
                parts = split(good.intent, intent, self._config.management)
                changes = parts.changes
            if not changes:
                self._state.forget(LAPSED)
                return self._bring(intent)
            # Under no fence: it is not what a confirmation or a rollback under this one means.
            done = self._bring(parts.now, way_back=False, fence=0)
            if self._held(intent, changes, hold):
                return done | {"held": list(changes)}
            return done | self._begin(intent, window, changes)

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
            if self._trial is None:
                raise Refused(
                    "confirm: the agent does not know what the kernel has on trial; it ends in "
                    f"{running.seconds} s, then apply again"
                )
            if self._trial.fence != fence:
                raise Refused(f"fence: {fence} is not that of the trial, {self._trial.fence}")
            self._refuse_unproved(self._trial, running)
            return self._keep(self._trial, running)

    def rollback(self, fence: int) -> dict[str, Any]:
        """Drop a trial of this fence at once; without one, take back what was applied under it."""
        with self._alone():
            if self._trial and self._trial.fence == fence and self._running():
                self._remember_lapsed()
                self._drop()
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

    def amend(self, add: Sequence[Token], drop: Sequence[int], fence: int) -> dict[str, Any]:
        """As `Engine.amend`; during a trial revoked tokens are shut out, and new ones wait."""
        with self._alone():
            running = self._running()
            if running is not None and self._trial is not None:
                self._state.raise_fence(fence)
                done = self._revoke_both(list(drop), self._trial, running) if drop else {}
                if add:
                    raise Retryable(f"trial: a change is on trial for {running.seconds} s")
                return done
        return super().amend(add, drop, fence)

    def restore(self) -> dict[str, Any] | None:
        """Bring the last good intent into force; a trial that the kernel still times goes on."""
        with self._alone():
            running = self._generations.running()
            if running is not None:
                self._trial = self._remembered(running)
                self._watch(running.seconds)
                return {"changed": False, "trial": running.seconds}
            self._remember_lapsed()
            if self._state.current is None:
                self._clear()
            self._forget()
        return super().restore()

    def plan(self, intent: Intent) -> list[str]:
        """What `apply` would change; during a trial, what of it is not tried already."""
        with self._alone():
            running = self._running()
            intent = self._same(intent)
            view = self._kernel.look(intent, running.alone(running.slots) if running else None)
            self._stand(intent, view)
        lines = [f"set {line}" for line in brief(view.set_lines)]
        return lines + [line for one in view.differences.values() for line in one.lines()]

    def status(self) -> dict[str, Any]:
        """What is in force, and the trial: seconds left by the kernel, what it changes, proofs."""
        report = super().status()
        with self._alone():
            running, trial = self._running(), self._trial
        good = self._state.current
        if self._stager and self._stager.reason:
            report["warnings"].append(
                f"changes are staged by the oracle alone: {self._stager.reason}"
            )
        report["confirmed"] = good.fence if good else None
        report["lapsed"] = (self._state.read(LAPSED) or {}).get("changes")
        report["trial"] = running and {
            "seconds": running.seconds,
            "changes": list(trial.changes) if trial else [],
            "fence": trial.fence if trial else None,
            "digest": trial.intent.digest() if trial else None,
            "proofs": sorted(self._proved(trial, running)) if trial else [],
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

    def _look_at_good(self, good: Intent) -> View:
        running = self._running()
        return self._kernel.look(good, running.alone(running.bases) if running else None)
