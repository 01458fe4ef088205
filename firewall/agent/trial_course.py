"""The course of one trial: it begins, and is kept, dropped, or found to have run out.

What is on trial stands in a file beside the good intents, so a successor of this process finds its
way; whether it still runs is the kernel's word alone.
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
from firewall.agent.generations import Generations, Running, Trial
from firewall.agent.log import log
from firewall.agent.netfilter import VERSIONS, Netfilter, RestoreError
from firewall.agent.state import State, without
from firewall.ruleset import trial as rules
from firewall.ruleset.types import Intent

LAPSED = "lapsed.json"  # what nobody confirmed the last time
_FILE = "trial.json"
_LATER = 0.3  # seconds after its end at which a lapsed trial is cleared away


class TrialCourse(Engine):
    """The engine, with at most one trial at a time."""

    def __init__(self, config: Config, netfilter: Netfilter, state: State) -> None:
        super().__init__(config, netfilter, state)
        self._generations = Generations(config, netfilter, self._kernel)
        self._trial: Trial | None = None
        self._clock: threading.Timer | None = None

    def _running(self) -> Running | None:
        """The trial in the kernel. Without a clock of ours there is none: `restore` looked."""
        return self._generations.running() if self._clock else None

    def _held(self, intent: Intent, changes: tuple[str, ...], hold: bool) -> bool:
        """Whether this was tried and nobody confirmed it: the same generation is never repeated."""
        lapsed = self._state.read(LAPSED) or {}
        same = lapsed.get("changes") == list(changes)
        return same and (hold or lapsed.get("digest") == intent.digest())

    def _remember_lapsed(self) -> None:
        raw = self._state.read(_FILE)
        with contextlib.suppress(DeployError, KeyError, TypeError, ValueError):
            trial = self._trial or Trial.from_json(raw)
            told = {"digest": trial.intent.digest(), "changes": list(trial.changes)}
            self._state.write(LAPSED, told)

    def _begin(self, intent: Intent, window: int, changes: tuple[str, ...]) -> dict[str, Any]:
        self._kernel.refuse_mixed()
        fence, good = self._state.fence, self._state.current
        trial = Trial(intent, fence, self._generations.serial(fence), time.time(), changes)
        self._state.write(_FILE, trial.to_json())
        try:
            self._generations.begin(trial, window, based=good is not None)
        except (RestoreError, DeployError) as error:
            self._drop()
            raise Refused(f"{error}; the trial did not begin, the rules before it stay") from None
        self._trial = trial
        self._watch(window)
        running = self._running()
        if running is None or self._generations.wrong(trial, running):
            self._drop()
            raise Refused("trial: read back, it differs from what was loaded; it was ended")
        return {
            "changed": True,
            "digest": intent.digest(),
            "trial": {"seconds": window, "changes": list(changes)},
        }

    def _keep(self, trial: Trial, running: Running) -> dict[str, Any]:
        if self._generations.wrong(trial, running):
            raise Refused("confirm: the rules on trial were changed by another program; try again")
        self._state.stage(trial.intent, fence=trial.fence)
        try:
            self._generations.keep(trial.intent, running)
            right = self._kernel.look(trial.intent).right
            fault = "" if right else "read back, the confirmed rules differ"
        except (RestoreError, Retryable) as error:
            fault = str(error)
        if fault:
            self._put_back(fault)
        self._state.keep()
        self._state.forget(LAPSED)
        self._forget()
        for version in VERSIONS:
            self._netfilter.destroy_set(rules.trial_set(version))
            self._netfilter.destroy_set(rules.proof_set(version))
        return {"changed": True, "digest": trial.intent.digest()}

    def _revoke_both(self, marks: list[int], trial: Trial, running: Running) -> dict[str, Any]:
        tried = dataclasses.replace(trial, intent=without(trial.intent, marks))
        good = self._state.current
        base = without(good.intent, marks) if good else None
        if base:
            self._state.stage(base)
        self._state.write(_FILE, tried.to_json())
        try:
            self._generations.change(tried.intent, running, running.slots)
            if base:
                self._generations.change(base, running, running.bases)
        except RestoreError:
            self._drop(base)  # a thief is not let in for the sake of a trial
            return {"changed": True}
        self._trial = tried
        self._state.keep()
        self._cut(tried.intent)
        return {"changed": True, "digest": tried.intent.digest()}

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

    def _remembered(self, running: Running) -> Trial | None:
        """The trial of a predecessor, if the kernel holds exactly what the file says."""
        try:
            trial = Trial.from_json(self._state.read(_FILE))
            return None if self._generations.wrong(trial, running) else trial
        except (DeployError, KeyError, TypeError, ValueError):
            return None

    def _drop(self, base: Intent | None = None) -> None:
        """End a trial now: both families turn back together, then it is cleared away."""
        with contextlib.suppress(RestoreError):  # without the sets nothing chooses the trial
            self._netfilter.restore_sets(rules.end())
        self._clear(base)

    def _clear(self, base: Intent | None = None) -> None:
        """The good rules alone, or `base`; the first trial of a host leaves none of ours behind."""
        good = base or self._good()
        if good is not None:
            self._bring(good, mixed=True)
        elif self._generations.unfounded():
            self._kernel.remove_all()
            for name in self._netfilter.read_sets():
                self._netfilter.destroy_set(name)
        self._forget()

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
        """Clear away what a trial left that ran out; a timer may be early, the kernel decides."""
        try:
            with self._alone():
                running = self._running()
                if running is None:
                    self._remember_lapsed()
                    self._clear()
                    log("trial", ended="nobody confirmed it")
                else:
                    self._watch(running.seconds)
        except (DeployError, RestoreError) as error:
            log("trial", error=str(error))
            self._watch(1)
