"""“Try it” for a look-up of callers' names: asked for here, carried out by the node's watch.

The panel itself never asks: it may stand elsewhere, and what it reaches says nothing of a call.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as Person
from django.db import transaction
from django.utils import timezone

from ddiweb.deploy.errors import Refused
from peers.models import NameLookup, NameTrial

#: Trials of one look-up within a minute: each may cost money, and tells somebody's number.
MOST_A_MINUTE = 6
#: Seconds that whoever asked waits: the watch looks each 2 s, and asks for 3 s at most.
PATIENCE = 8.0
_STALE = timedelta(seconds=30)
_KEPT = timedelta(days=1)


def ask(lookup: NameLookup, number: str, user: Person | AnonymousUser) -> NameTrial:
    """Ask for the name of ``number`` (E.164, checked); it is noted in the look-up's history.

    Raises Refused beyond ``MOST_A_MINUTE``.
    """
    with transaction.atomic():
        # One after the other: two at once are not both the last one allowed.
        row = NameLookup.objects.select_for_update().get(pk=lookup.pk)
        since = timezone.now() - timedelta(minutes=1)
        if row.trials.filter(asked_at__gt=since).count() >= MOST_A_MINUTE:
            raise Refused(f"tried {MOST_A_MINUTE} times within a minute; wait a minute")
        text = f"Tried it: the service was asked for {number}."
        LogEntry.objects.log_actions(
            int(user.pk or 0), NameLookup.objects.filter(pk=row.pk), CHANGE, text
        )
        person = user if isinstance(user, Person) else None
        return NameTrial.objects.create(lookup=row, number=number, asked_by=person)


def wait(trial: NameTrial, pause: Callable[[float], None] = time.sleep) -> bool:
    """Wait until the watch has answered; False if it has not within ``PATIENCE``."""
    end = time.monotonic() + PATIENCE
    while True:
        trial.refresh_from_db()
        if trial.answered_at is not None or time.monotonic() >= end:
            return trial.answered_at is not None
        pause(0.2)


def answer(slug: str, attempt: Callable[[NameLookup, str], tuple[str, str]]) -> None:
    """Answer what waits on the node ``slug``: the watch's part. ``attempt`` gives name and fault.

    What nobody waits for any longer is left unasked.
    """
    waiting = NameTrial.objects.filter(
        lookup__node__slug=slug, taken_at=None, asked_at__gt=timezone.now() - _STALE
    )
    for trial in waiting.select_related("lookup"):
        mine = NameTrial.objects.filter(pk=trial.pk, taken_at=None)
        if not mine.update(taken_at=timezone.now()):
            continue
        began = time.monotonic()
        name, fault = attempt(trial.lookup, trial.number.removeprefix("+"))
        NameTrial.objects.filter(pk=trial.pk).update(
            answered_at=timezone.now(),
            name=name[:80],
            fault=fault[:200],
            milliseconds=round((time.monotonic() - began) * 1000),
        )


def purge() -> int:
    """Forget trials after a day: the history keeps who asked what."""
    return NameTrial.objects.filter(asked_at__lt=timezone.now() - _KEPT).delete()[0]
