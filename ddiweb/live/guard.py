"""Security events on an AMI connection of their own, so that nothing else makes a ban wait.

IAX2 has none: its failures are read in Asterisk's log (peers/realtime/iax_log.py).
"""

import logging
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, close_old_connections

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.live.log_tail import Tail
from firewall.sentry import Sentry
from peers.realtime import events, iax_log
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client
from peers.realtime.events import Incident

log = logging.getLogger(__name__)

PING = 10.0
#: Seconds between two looks into the log: a ban is in the kernel within a second of its cause.
LOOK = 0.25
LONGEST_WAIT = 5.0


class Guard:
    """Hands every incident of one node to its sentry until ``stop`` is set."""

    def __init__(self, slug: str, stop: threading.Event) -> None:
        self.slug = slug
        self.stop = stop
        self.log = Tail(Path(settings.ASTERISK_LOG))
        self._before: Incident | None = None

    def run(self) -> None:
        """Connect, listen, and connect again. An error of its own ends the whole process."""
        try:
            sentry = self._sentry()
            wait = 0.2
            while sentry and not self.stop.is_set():
                began = time.monotonic()
                try:
                    with ami_client(events=True) as client:
                        client.action("Events", EventMask="security")
                        self._hold(client, sentry)
                except (DeployError, OperationalError, Node.DoesNotExist) as error:
                    log.warning("guard of %s: %s", self.slug, error)
                close_old_connections()
                if time.monotonic() - began > LONGEST_WAIT:
                    wait = 0.2
                self.stop.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load only
                wait = min(wait * 2, LONGEST_WAIT)
        finally:
            self.stop.set()

    def _sentry(self) -> Sentry | None:
        """What is counted outlives a lost connection; None if it is stopped before it began."""
        while not self.stop.is_set():
            try:
                return Sentry(Node.objects.get(slug=self.slug))
            except (OperationalError, Node.DoesNotExist) as error:
                log.warning("guard of %s: %s", self.slug, error)
                close_old_connections()
                self.stop.wait(1.0)
        return None

    def _hold(self, client: AmiClient, sentry: Sentry) -> None:
        ping_at = time.monotonic() + PING
        if sentry.node.iax_port and not self.log.is_open:
            log.warning("%s can't be read: who fails at IAX2 is not banned", self.log.path)
        while not self.stop.is_set():
            sentry.look_after()
            if time.monotonic() >= ping_at:
                client.ping()
                ping_at = time.monotonic() + PING
            message = client.next_event(LOOK)
            if message is not None and (seen := events.incident(message)):
                sentry.heard(seen)
            for failed in self._iax():
                sentry.heard(failed)

    def _iax(self) -> Iterator[Incident]:
        """Failed logins of IAX2; Asterisk tells of one from an unknown account twice."""
        for line in self.log.lines():
            seen = iax_log.incident(line)
            if seen and seen.kind == "unknown_account" and seen == self._before:
                self._before = None
                continue
            self._before = seen or self._before
            if seen:
                yield seen
