"""Security events on an AMI connection of their own, so that nothing else makes a ban wait."""

import logging
import random
import threading
import time

from django.db import OperationalError, close_old_connections

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from firewall.sentry import Sentry
from peers.realtime import events
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client

log = logging.getLogger(__name__)

PING = 10.0
LONGEST_WAIT = 5.0


class Guard:
    """Hands every incident of one node to its sentry until ``stop`` is set."""

    def __init__(self, slug: str, stop: threading.Event) -> None:
        self.slug = slug
        self.stop = stop

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
        while not self.stop.is_set():
            sentry.look_after()
            if time.monotonic() >= ping_at:
                client.ping()
                ping_at = time.monotonic() + PING
            message = client.next_event(0.5)
            if message is not None and (seen := events.incident(message)):
                sentry.heard(seen)
