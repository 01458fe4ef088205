"""Clockwork of what was seen."""

import logging

from ddiweb.celery import app
from ddiweb.live.purge import purge as purge_now

log = logging.getLogger(__name__)


@app.task
def purge() -> None:
    """Every hour: forget what is old."""
    found = purge_now()
    if any(found.values()):
        log.info("purge: %s", found)
