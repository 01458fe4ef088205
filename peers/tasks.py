"""Clockwork of the tokens and of vendors' names."""

from ddiweb import clock
from ddiweb.celery import app
from peers import services, vendor_lookups, witness


@app.task
def expire_tokens() -> int:
    """Every five seconds: revoke the tokens whose grace has ended, and write the time down."""
    clock.trusted.keep()
    return services.expire_tokens() + witness.end_quiet_graces(clock.now())


@app.task
def resolve_vendors() -> int:
    """Every ``DDIWEB_DNS_EVERY`` seconds: look up the vendors' names that are due."""
    return vendor_lookups.run()
