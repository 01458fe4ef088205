"""The pipeline: plan, apply, verify, settle; or back to what was there.

``pending → planning → applying → verifying → done``, with ``refused`` when nothing was changed,
``rolled_back`` when the old state was put back and ``failed`` when even that went wrong.
Each move is a conditional UPDATE on state and fence, so two workers can't both make it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from ddiweb import clock
from ddiweb.deploy import services, trials
from ddiweb.deploy.errors import DeployError, Failed, Refused, Retryable
from ddiweb.deploy.lock import Lease, lease
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.quick_lane import hurry
from ddiweb.deploy.states import State, may_move
from ddiweb.deploy.target import Plan, Target, Trial

log = logging.getLogger(__name__)
#: Lines of a plan that are kept with its row; a first apply of 10,000 peers needs no more.
KEPT_LINES = 500


def _counted(lines: int) -> str:
    return f"{lines} change" if lines == 1 else f"{lines} changes"


class LostRaceError(Exception):
    """Another process moved this deployment first; leave it alone."""


@dataclass
class _Step:
    """One target within one run."""

    target: Target
    desired: Any = None
    before: Any = None
    plan: Plan = field(default_factory=lambda: Plan((), None))
    touched: bool = False
    trial: Trial | None = None


def quiet_time(row: Deployment) -> float:
    """Seconds to wait so that a burst of edits becomes one deployment; 0 after a calm second."""
    now = clock.now()
    wait = 0.0
    if row.node.last_started_at and not row.urgent:
        wait = settings.DEPLOY_QUIET - (now - row.node.last_started_at).total_seconds()
    if row.not_before:
        wait = max(wait, (row.not_before - now).total_seconds())
    return max(0.0, wait)


def run(
    deployment_id: int, targets: Sequence[Target], sleep: Callable[[float], None] = time.sleep
) -> State:
    """Bring the deployment's node to its newest generation; returns the row's state after it.

    Safe to call any number of times, by any number of workers, late or out of order: only a
    pending row is taken, by exactly one of them.
    """
    row = Deployment.objects.select_related("node").get(pk=deployment_id)
    if row.state != State.PENDING:
        return State(row.state)
    hurried = hurry(row.node, targets)
    if not row.urgent and trials.wait_for_another(row):
        return State.PENDING
    if wait := quiet_time(row):
        sleep(min(wait, settings.DEPLOY_QUIET))
        row.refresh_from_db()
    try:
        with lease(row.node_id) as held:
            return _Run(row, held, targets, hurried=hurried).go()
    except Retryable as busy:
        # Whoever holds the lease will see our row when it is done: nothing to record.
        log.info("deployment %s waits: %s", deployment_id, busy)
        services.enqueue(deployment_id, countdown=1)
    except LostRaceError:
        pass
    row.refresh_from_db(fields=["state"])
    return State(row.state)


class _Run:
    """One attempt at one deployment, under one lease."""

    def __init__(
        self, row: Deployment, held: Lease, targets: Sequence[Target], *, hurried: bool = False
    ) -> None:
        self.hurried = hurried
        self.row = row
        self.lease = held
        self.steps = [_Step(target) for target in targets]
        self.applied_at = clock.now()

    def go(self) -> State:
        services.release_older(self.row.node_id, self.lease.fence)
        self._claim()
        if self.row.urgent:
            # A thief is shut out before anything else can keep us waiting; repeated if it fails.
            self._shut()
        try:
            trials.refuse_second(self.row)
            self._plan()
            self._apply()
            self._verify()
        except (Retryable, OperationalError) as error:
            # A busy or absent database of our own is as good a reason to wait as a busy Asterisk.
            delay = min(5.0, 0.5 * 2 ** min(self.row.attempts, 4))
            why = f"{error}{self._shut()}"
            if services.return_to_pending(self.row, why, delay=delay):
                services.enqueue(self.row.pk, countdown=delay)
        except LostRaceError:
            log.warning("deployment %s was taken over by another worker", self.row.pk)
        except DeployError as error:
            self._undo(error)
        except Exception as error:
            log.exception("deployment %s met a defect", self.row.pk)
            self._undo(Failed(f"defect: {type(error).__name__}; see the worker's log"))
        self.row.refresh_from_db(fields=["state"])
        return State(self.row.state)

    def _move(self, there: State, text: str = "", **changes: object) -> None:
        here = State(self.row.state)
        if not may_move(here, there):
            raise AssertionError(f"no move from {here} to {there}")
        entry = {
            "at": timezone.now().isoformat(timespec="milliseconds"), "state": there, "text": text,
        }  # fmt: skip
        entries = [*self.row.log, entry]
        moved = Deployment.objects.filter(pk=self.row.pk, state=here, fence=self.row.fence).update(
            state=there, log=entries, **changes
        )
        if not moved:
            raise LostRaceError
        self.row.state, self.row.log = there, entries

    def _claim(self) -> None:
        """Take the row and the newest generation: every edit up to now is in this deployment."""
        now = timezone.now()
        node = Node.objects.get(pk=self.row.node_id)
        self._move(
            State.PLANNING, started_at=now, attempts=F("attempts") + 1, not_before=None,
            generation=node.generation, fence=self.lease.fence, dry_run=node.dry_run, error="",
        )  # fmt: skip
        Node.objects.filter(pk=node.pk).update(last_started_at=clock.now())
        self.row.refresh_from_db()
        self.node = node

    def _plan(self) -> None:
        for step in self.steps:
            step.desired = step.target.render(self.node)
            step.before = step.target.read(self.node)
            step.plan = step.target.diff(self.node, step.desired, step.before)
        Deployment.objects.filter(pk=self.row.pk).update(
            plan={step.target.name: kept(step.plan.lines) for step in self.steps}
        )

    def _apply(self) -> None:
        todo = [step for step in self.steps if not step.plan.empty]
        if not todo or self.node.dry_run:
            return
        self._move(State.APPLYING, _counted(sum(len(step.plan.lines) for step in todo)))
        for step in todo:
            self.lease.renew()
            step.touched = True
            try:
                step.trial = step.target.apply(self.node, step.desired, step.plan, self.lease.fence)
                self.applied_at = clock.now()
            except Refused:
                # Its word that it changed nothing: there is nothing to put back on it.
                step.touched = False
                raise

    def _verify(self) -> None:
        self.lease.renew()
        if self.node.dry_run:
            self._finish("dry run: shown, not applied")
            return
        changed = any(step.touched for step in self.steps)
        self._move(State.VERIFYING)
        # Nothing is left to change where the quick lane did it all, or where a first attempt was
        # cut short of its read-back; whether Asterisk took it is still to be asked.
        for step in self.steps if changed or self.hurried or self.row.attempts > 1 else ():
            if differences := step.target.verify(self.node, step.desired):
                shown = "; ".join(differences[:5])
                raise Failed(f"{step.target.name}: read back, and it differs: {shown}")
        if tried := [step.trial for step in self.steps if step.trial]:
            self._leave_open(tried)
        else:
            self._finish("read back" if changed else "nothing to do")

    def _leave_open(self, tried: Sequence[Trial]) -> None:
        """Some of it waits for the administrator's word; the rest is in force, and settled."""
        seconds = min(one.seconds for one in tried)
        changes = [line for one in tried for line in one.changes]
        with transaction.atomic():
            for step in self.steps:
                step.target.settle(self.node, step.desired)
            if seconds:
                until = self.applied_at + timedelta(seconds=seconds)
                text = f"{'; '.join(changes)}: in force for {seconds} s"
                self._move(State.CONFIRMING, text, trial=changes, confirm_until=until, error="")
            else:
                why = trials.NOT_AGAIN.format("; ".join(changes))
                now = timezone.now()
                self._move(State.ROLLED_BACK, why, trial=changes, finished_at=now, error=why)
        if seconds:
            trials.send(self.row, "close", countdown=seconds + 1)

    def _finish(self, text: str) -> None:
        """Settle and close; the last move, so that ``done`` is never said before the read-back."""
        now = timezone.now()
        with transaction.atomic():
            for step in self.steps if not self.node.dry_run else ():
                step.target.settle(self.node, step.desired)
            Node.objects.filter(
                pk=self.node.pk, applied_generation__lte=self.row.generation
            ).update(applied_generation=self.row.generation, applied_at=now, checked_at=now)
            self._move(State.DONE, text, finished_at=now)

    def _undo(self, error: DeployError) -> None:
        """Put back every target that was touched, the last one first."""
        text = str(error)[:2000]
        now = timezone.now()
        touched = [step for step in reversed(self.steps) if step.touched]
        fault = ""
        try:
            for step in touched:
                step.target.restore(self.node, step.before, self.lease.fence)
        except DeployError as second:
            fault = f"; restore: {second}"
        except Exception:
            log.exception("deployment %s: restore met a defect", self.row.pk)
            fault = "; restore met a defect"
        text += self._shut()
        if fault:
            self._move(State.FAILED, text, finished_at=now, error=text + fault)
        elif touched:
            self._move(State.ROLLED_BACK, text, finished_at=now, error=text)
        elif State(self.row.state) == State.VERIFYING:
            self._move(State.FAILED, text, finished_at=now, error=text)
        else:
            self._move(State.REFUSED, text, finished_at=now, error=text)

    def _shut(self) -> str:
        """Cut off what was revoked all the same: a bad row elsewhere must not keep a thief in.

        Returns what to add to the reason if even that did not go.
        """
        if self.node.dry_run:
            return ""
        faults = []
        for step in self.steps:
            try:
                step.target.shut(self.node, self.lease.fence)
            except (DeployError, DatabaseError) as error:
                faults.append(f"; {step.target.name}: revoked tokens are not shut out: {error}")
            except Exception:
                log.exception("deployment %s: shutting out met a defect", self.row.pk)
                faults.append(f"; {step.target.name}: revoked tokens may not be shut out")
        return "".join(faults)


def kept(lines: Sequence[str]) -> list[str]:
    """The lines of a plan that are stored, and how many more there were."""
    if len(lines) <= KEPT_LINES:
        return list(lines)
    return [*lines[:KEPT_LINES], f"… and {len(lines) - KEPT_LINES} more"]


def plan(node: Node, targets: Sequence[Target]) -> dict[str, Plan]:
    """What an apply would change now, by target name; changes nothing."""
    return {
        target.name: target.diff(node, target.render(node), target.read(node)) for target in targets
    }


def drifted(node: Node, targets: Sequence[Target]) -> dict[str, Plan]:
    """The targets whose state is not what the newest generation says."""
    found = {}
    for target in targets:
        actual = target.read(node)
        if not target.as_applied(node, actual):
            found[target.name] = target.diff(node, target.render(node), actual)
    Node.objects.filter(pk=node.pk).update(checked_at=timezone.now())
    return {name: entry for name, entry in found.items() if not entry.empty}
