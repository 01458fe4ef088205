"""The thread that answers the dialplan's questions for names of callers.

It needs the panel's database for nothing but its settings: while that is down, those that were read
last go on. The dialplan asks only as long as it was told lately, over AMI, that the port is ours.
"""

import contextlib
import logging
import threading
import time
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.fields import UndecipherableError
from peers import name_trials
from peers.callernames.desk import Desk
from peers.callernames.names import Health, Names
from peers.models import NameLookup
from peers.realtime.ami import ActionRefused, AmiClient

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds between two looks at the settings
#: Seconds for which the dialplan may ask after it was told so, and between two such words.
LEASE, RENEW = 10, 4.0


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

    def lease(self, node: Node, client: AmiClient) -> None:
        """Let the dialplan ask for the next ten seconds, if we listen; raises as ``client``.

        Asterisk's own database holds it, which no other user of this machine can write.
        """
        if self._desk is None:
            return
        until = str(int(time.time()) + LEASE)
        with contextlib.suppress(ActionRefused):  # an account of an earlier version: no names
            client.action("DBPut", Family="names", Key="until", Val=until)

    def _look(self) -> str:
        """Follow the settings and answer who tries them; returns what stood in the way."""
        fault = self._settle()
        try:
            name_trials.answer(self.slug, self._attempt)
        except DatabaseError as error:
            return fault or f"{type(error).__name__}: {error}"
        return fault

    def _settle(self) -> str:
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

    def _attempt(self, row: NameLookup, digits: str) -> tuple[str, str]:
        """A person's question, also while calls ask nothing: the number is the person's."""
        try:
            return self.names.attempt(row.lookup(), digits)
        except UndecipherableError as error:
            return "", str(error)

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
