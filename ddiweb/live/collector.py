"""The thread that collects call records, also while Asterisk or its AMI is down."""

import logging
import threading
from pathlib import Path

from django.db import DatabaseError, close_old_connections

from ddiweb.deploy.models import Node
from ddiweb.live import spool

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks


class Collector:
    """Collects one node's call records until ``stop`` is set."""

    def __init__(self, slug: str, path: Path, stop: threading.Event) -> None:
        self.slug = slug
        self.path = path
        self.stop = stop

    def run(self) -> None:
        """Look each second. An error of its own ends the whole process, to be started anew."""
        told = ""
        try:
            while not self.stop.is_set():
                fault = self._look()
                if fault != told:
                    log.warning("call records of %s: %s", self.slug, fault or "can be read again")
                told = fault
                close_old_connections()
                self.stop.wait(EVERY)
        finally:
            self.stop.set()

    def _look(self) -> str:
        """Collect what is new; returns what stood in the way."""
        try:
            spool.collect(Node.objects.get(slug=self.slug), self.path)
        except (DatabaseError, Node.DoesNotExist, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return ""
