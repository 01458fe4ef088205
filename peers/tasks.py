"""Clockwork of the tokens, of vendors' names, of certificates and of voicemail."""

from django.conf import settings

from ddiweb import clock
from ddiweb.celery import app
from ddiweb.deploy.models import Node
from peers import services, vendor_lookups, witness
from peers.tls import renewal
from peers.voicemail import collect, mail


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
def collect_voicemail_everywhere() -> None:
    """Every ``DDIWEB_VOICEMAIL_EVERY`` seconds: have each node's own worker look for messages."""
    every = settings.VOICEMAIL_EVERY
    for node in Node.objects.filter(dry_run=False, mailboxes__isnull=False).distinct():
        collect_voicemail.apply_async((node.pk,), queue=node.queue, expires=every)


@app.task
def collect_voicemail(node_id: int) -> None:
    """Bring one node's messages into the database; new ones are mailed at once."""
    if collect.run(Node.objects.get(pk=node_id)):
        mail_voicemail.apply_async(expires=60)


@app.task
def mail_voicemail() -> int:
    """Every 30 seconds, and when a message came: send what is due by e-mail."""
    return mail.run()


@app.task
def renew_certificates() -> int:
    """Every hour: ask for a new certificate where two thirds of the old one's life are over."""
    return renewal.run()
