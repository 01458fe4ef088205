"""The watch: one AMI connection to this node's Asterisk, held as long as it lasts.

It writes what happens as it happens, and reads the whole state anew after every gap: events are
hints, the lists are the truth.
"""

import logging
import random
import threading
import time

from django.db import OperationalError, close_old_connections

from ddiweb import clock
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.live import heartbeat, record
from peers.realtime import events
from peers.realtime.actions import list_contacts
from peers.realtime.ami import AmiClient
from peers.realtime.ami_message import Message
from peers.realtime.target import ami_client

log = logging.getLogger(__name__)

RESYNC = 5.0  # seconds between two readings of all contacts
SETTLE = 0.15  # seconds after an event, so that a burst of registrations is one reading
PING = 10.0
LONGEST_WAIT = 10.0


class Watch:
    """Watches one node until ``stop`` is set."""

    def __init__(self, slug: str, stop: threading.Event) -> None:
        self.slug = slug
        self.stop = stop
        self.read_at = 0.0
        self.ping_at = 0.0

    def run(self) -> None:
        """Connect, watch, and connect again; waits longer after each failure, at most 10 s."""
        wait = 0.5
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                with ami_client(events=True) as client:
                    node = Node.objects.get(slug=self.slug)
                    self._hold(client, node)
            except (DeployError, OperationalError, Node.DoesNotExist) as error:
                log.warning("watch of %s: %s", self.slug, error)
            close_old_connections()
            if time.monotonic() - began > LONGEST_WAIT:
                wait = 0.5
            # Not all watches at once, when a host comes back.
            self.stop.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load only
            wait = min(wait * 2, LONGEST_WAIT)

    def _hold(self, client: AmiClient, node: Node) -> None:
        self.read_at = self.ping_at = time.monotonic()
        while not self.stop.is_set():
            now = time.monotonic()
            if now >= self.ping_at:
                client.ping()
                self.ping_at = now + PING
            if now >= self.read_at:
                record.contacts(node, list_contacts(client))
                heartbeat.note(heartbeat.watch_name(node.slug), f"Asterisk {client.version}")
                # Beat's tick keeps the clock of one machine; each node has a watch.
                clock.trusted.keep()
                self.read_at = now + RESYNC
            message = client.next_event(max(0.02, min(self.read_at - time.monotonic(), 1.0)))
            if message is not None:
                self._take(node, message)

    def _take(self, node: Node, message: Message) -> None:
        if message.event in events.CONTACT_CHANGES or events.login(message):
            # A phone that refreshes its registration makes no ContactStatus, but a SuccessfulAuth.
            self.read_at = min(self.read_at, time.monotonic() + SETTLE)
