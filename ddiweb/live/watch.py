"""The watch: one AMI connection to this node's Asterisk, held as long as it lasts.

It writes what happens as it happens, and reads the whole state anew after every gap: events are
hints, the lists are the truth.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import OperationalError, close_old_connections

from ddiweb import clock
from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.live import heartbeat, readings, tolls
from ddiweb.live.restart_notes import Notes
from ddiweb.live.restarts import Restarter
from peers.realtime import channels, events
from peers.realtime.ami import AmiClient
from peers.realtime.ami_message import Message
from peers.realtime.ami_settings import ami_client

log = logging.getLogger(__name__)

SETTLE = 0.15  # seconds after an event, so that a burst of registrations is one reading
SHARE = 20  # a long list is read so rarely that it takes a twentieth of the time
#: Seconds; but not more rarely than this. What made a reading slow may be over (a busy database, a
#: busy machine), and of a phone that goes Asterisk tells no event.
RARELY = 10.0
PING = 10.0
LONGEST_WAIT = 5.0
BOOT = 10.0  # seconds for which a connection waits for an Asterisk that boots


@dataclass
class Reading:
    """A list of Asterisk's that is read every so many seconds, and after events about it."""

    read: Callable[[Node, AmiClient], None]
    every: float
    at: float = 0.0
    share: int = SHARE

    def hasten(self) -> None:
        """Read it as soon as a burst of events is over."""
        self.at = min(self.at, time.monotonic() + SETTLE)

    def rest(self, took: float) -> None:
        """It was read just now, in ``took`` seconds: say when it is to be read again."""
        self.at = time.monotonic() + max(self.every, min(self.share * took, RARELY))


class Watch:
    """Watches one node until ``stop`` is set; ``more`` is done over the same connection."""

    def __init__(self, slug: str, stop: threading.Event, *more: Reading) -> None:
        self.slug = slug
        self.more = more
        self.stop = stop
        self.contacts = Reading(readings.contacts, 1.0)
        self.channels = Reading(readings.channels, 5.0)
        self.trunks = Reading(readings.trunks, 10.0)
        self.tolls = Reading(tolls.alarms, 5.0)
        self.registrations = Reading(readings.registrations, float("inf"))
        self.restarts = Reading(Restarter().step, 1.0, share=0)
        self.notes = Reading(Notes().read, 20.0)

    @property
    def all(self) -> tuple[Reading, ...]:
        """All lists; what is short comes first."""
        return (
            *(self.channels, self.registrations, self.trunks, self.contacts),
            *(self.tolls, self.restarts, self.notes, *self.more),
        )

    def run(self) -> None:
        """Connect, watch, and connect again; waits longer after each failure, at most 5 s."""
        wait = 0.5
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                with ami_client(events=True) as client:
                    self._hold(client, Node.objects.get(slug=self.slug))
            except (DeployError, OperationalError, Node.DoesNotExist) as error:
                log.warning("watch of %s: %s", self.slug, error)
            close_old_connections()
            if time.monotonic() - began > LONGEST_WAIT:
                wait = 0.5
            # Not all watches at once, when a host comes back.
            self.stop.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load only
            wait = min(wait * 2, LONGEST_WAIT)

    def _hold(self, client: AmiClient, node: Node) -> None:
        dropped = 0
        ping_at = time.monotonic()
        self.begin(client)
        while not self.stop.is_set():
            if time.monotonic() >= ping_at:
                client.ping()
                heartbeat.note(heartbeat.watch_name(node.slug), f"Asterisk {client.version}")
                # Beat's tick keeps the clock of one machine; each node has a watch.
                clock.trusted.keep()
                ping_at = time.monotonic() + PING
            if client.dropped != dropped:
                # More events than anybody could take: the lists tell what they would have.
                dropped = client.dropped
                self._read_all_anew()
            for one in self.all:
                if time.monotonic() >= one.at:
                    began = time.monotonic()
                    one.read(node, client)
                    one.rest(time.monotonic() - began)
            soonest = min(one.at for one in self.all) - time.monotonic()
            message = client.next_event(max(0.02, min(soonest, 1.0)))
            if message is not None:
                self.take(message)

    def begin(self, client: AmiClient) -> None:
        """Read everything anew, once Asterisk has booted; raises Retryable if it does not.

        It lets us log in before it knows its actions and endpoints. To come again would take a wait
        more, and what it told by then would stand until the next reading, or for ever.
        """
        client.wait_booted(BOOT)
        self._read_all_anew()
        log.info("watch of %s: connected to Asterisk", self.slug)

    def _read_all_anew(self) -> None:
        for one in self.all:
            one.at = 0.0

    def take(self, message: Message) -> None:
        """Hasten what an event is about."""
        if message.event in channels.CHANGES:
            self.channels.hasten()
        elif message.event == "Registry":
            self.registrations.hasten()
        elif message.event == "Reload":
            for one in (self.registrations, self.trunks, self.notes):
                one.hasten()
        elif message.event in events.CONTACT_CHANGES:
            changed = events.contact_change(message)
            trunk = changed is not None and changed.aor.startswith("trunk_")
            (self.trunks if trunk else self.contacts).hasten()
        elif events.login(message):
            # A phone that refreshes its registration makes no ContactStatus, but a SuccessfulAuth.
            self.contacts.hasten()
