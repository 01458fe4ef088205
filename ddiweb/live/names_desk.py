"""The thread that answers the dialplan's questions for names of callers.

It needs the panel's database for nothing but its settings: while that is down, those that were read
last go on.
"""

import logging
import threading
import time
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from ddiweb.fields import UndecipherableError
from peers.callernames.desk import Desk
from peers.callernames.names import Health, Names
from peers.models import NameLookup

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds between two looks at the settings


class NamesDesk:
    """Serves one node until ``stop`` is set; ``port`` 0: never."""

    def __init__(self, slug: str, port: int, stop: threading.Event) -> None:
        self.slug = slug
        self.port = port
        self.stop = stop
        self.names = Names()
        self._desk: Desk | None = None
        self._noted = Health()

    def run(self) -> None:
        """Look at the settings each 2 s. An error of its own ends the whole process."""
        told = ""
        try:
            while not self.stop.is_set():
                fault = self._look()
                if fault != told:
                    log.warning("names of callers: %s", fault or "can be asked for again")
                told = fault
                close_old_connections()
                self.stop.wait(EVERY)
        finally:
            self._listen(wanted=False)
            self.names.close()
            self.stop.set()

    def _look(self) -> str:
        """Bring the settings into force; returns what stood in the way."""
        try:
            row = NameLookup.objects.filter(node__slug=self.slug, enabled=True).first()
            self.names.use(row.lookup() if row else None)
            self._listen(wanted=row is not None and self.port != 0)
            if row is not None:
                self._note(row)
        except UndecipherableError as error:
            self.names.use(None)
            return str(error)
        except (DatabaseError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _listen(self, *, wanted: bool) -> None:
        if wanted and self._desk is None:
            self._desk = Desk(self.names, self.port)
        elif not wanted and self._desk is not None:
            self._desk.close()
            self._desk = None

    def _note(self, row: NameLookup) -> None:
        """Write down how the service fares, if that changed."""
        health = self.names.health
        if health == self._noted:
            return
        if health.fault and health.fault != self._noted.fault:
            log.warning("names of callers: %s", health.fault)
        answered = row.answered_at
        if health.answered is not None:
            answered = timezone.now() - timedelta(seconds=time.monotonic() - health.answered)
        failing = (row.failing_since or timezone.now()) if health.fault else None
        NameLookup.objects.filter(pk=row.pk, url=row.url).update(
            answered_at=answered, failing_since=failing, last_error=health.fault[:200]
        )
        self._noted = health
