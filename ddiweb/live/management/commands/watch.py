"""``manage.py watch``: hold the AMI connection of this node."""

import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ddiweb.live.collector import Collector
from ddiweb.live.guard import Guard
from ddiweb.live.names_desk import RENEW, NamesDesk
from ddiweb.live.watch import Reading, Watch


class Command(BaseCommand):
    """Run until SIGTERM or SIGINT."""

    help = "Watch this node's Asterisk: registrations, calls, security events."

    def handle(self, *args: Any, **options: Any) -> None:
        """Watch the node named by DDIWEB_NODE."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        collector = Collector(settings.NODE, Path(settings.CALL_RECORDS), stop)
        desk = NamesDesk(settings.NODE, settings.NAMES_PORT, stop)
        helpers = [
            threading.Thread(target=Guard(settings.NODE, stop).run, name="guard"),
            threading.Thread(target=collector.run, name="collector"),
            threading.Thread(target=desk.run, name="names-desk"),
        ]
        for helper in helpers:
            helper.start()
        try:
            Watch(settings.NODE, stop, Reading(desk.lease, RENEW, share=0)).run()
        finally:
            stop.set()
            for helper in helpers:
                helper.join()
