"""Clockwork of the tokens, of vendors' names and of certificates."""

from ddiweb import clock
from ddiweb.celery import app
from peers import services, vendor_lookups, witness
from peers.tls import renewal


@app.task
def expire_tokens() -> int:
    """Every five seconds: revoke the tokens whose grace has ended, and write the time down."""
    clock.trusted.keep()
    return services.expire_tokens() + witness.end_quiet_graces(clock.now())


@app.task
def resolve_vendors() -> int:
    """Every ``DDIWEB_DNS_EVERY`` seconds: look up the vendors' names that are due."""
    return vendor_lookups.run()


@app.task
def renew_certificates() -> int:
    """Every hour: ask for a new certificate where two thirds of the old one's life are over."""
    return renewal.run()
