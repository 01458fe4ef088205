"""Questions to a firewall: asked by web or API, answered by the worker on the node.

Where no worker answers in time, the oracle speaks alone, about the rules that the panel would
apply now: a person who asks why is never left without a word.
"""

import logging
import re
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery.exceptions import OperationalError as CeleryOperationalError
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from ddiweb.deploy.errors import DeployError, Refused
from firewall import why
from firewall.models import Question
from firewall.ruleset.packet import Packet, Protocol
from firewall.ruleset.values import Invalid, redact

log = logging.getLogger(__name__)

PATIENCE = 12.0  # seconds for the worker; a scratch kernel with 10,000 tokens needs 1 to 3
#: Questions of a node that wait for an answer; each costs its agent a scratch kernel.
MOST_WAITING = 5
_FORGET_AFTER = timedelta(days=1)
_SIP = re.compile(r"\A\s*(?:SIP/2\.0 \d{3}|[A-Z]{3,12} \S+ SIP/2\.0)")
#: Field of a packet or a question → field of the form.
_FIELDS = {"address": "source", "packet.source": "source", "packet.source_port": "source",
           "packet.destination_port": "to_port", "packet.payload": "payload"}  # fmt: skip


class Busy(Refused):
    """Too many questions wait already."""


def repaired(text: str) -> bytes:
    """What was pasted as it goes over the wire.

    A SIP message loses the indentation and blank lines that pasting adds before it, gets the line
    ends that RFC 3261 (section 7) asks for, and the empty line that ends its header.
    """
    if not _SIP.match(text):
        return text.encode()
    plain = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")
    plain = textwrap.dedent(plain).lstrip()
    if "\n\n" not in plain:
        plain = plain.rstrip("\n") + "\n\n"
    return plain.replace("\n", "\r\n").encode()


def packets(asked: Question) -> list[Packet]:
    """The packets that it stands for; raises `Invalid` whose field is one of the question's."""
    protocol: Protocol = "icmp" if asked.protocol == "icmp" else "udp"
    if asked.protocol in {"tcp", "tls"}:
        protocol = "tcp"
    node, peer, tls = asked.node, asked.peer, asked.protocol == "tls"
    to_port = asked.to_port or (node.tls_port if tls else node.sip_port)
    try:
        if not to_port:
            raise Invalid("to_port", "is not known: this node has no TLS port", "write the port")
        payload = repaired(asked.payload)
        if peer and not payload and not asked.reply and to_port in {node.sip_port, node.tls_port}:
            # Without a packet of its own it is about the first that the phone sends.
            payload, peer = why.showing(node, peer, tls=tls), None
        return why.question(
            node, asked.source, to_port=to_port, protocol=protocol, payload=payload, peer=peer,
            reply=asked.reply,
        )  # fmt: skip
    except Invalid as error:
        raise Invalid(_FIELDS.get(error.field, error.field), error.fault, error.remedy) from None


def ask(asked: Question) -> Question:
    """Store a question that `packets` took, and send it to its node; raises `Busy`."""
    fresh = timezone.now() - timedelta(minutes=1)
    waiting = Question.objects.filter(
        node=asked.node, answered_at__isnull=True, asked_at__gt=fresh
    ).count()
    if waiting >= MOST_WAITING:
        raise Busy(f"{waiting} questions of this node wait for an answer; ask again in a minute")
    asked.save()
    # The worker must find the row, so it is told once the row is committed.
    transaction.on_commit(lambda: _send(asked))
    return asked


def _send(asked: Question) -> None:
    from firewall.tasks import answer_question

    if asked.node.dry_run:
        answer(asked.pk)
        return
    try:
        answer_question.apply_async((asked.pk,), queue=asked.node.queue, expires=60)
    except (OperationalError, CeleryOperationalError, OSError) as error:
        log.warning("redis can't be reached (%s); the oracle answers", type(error).__name__)
        answer_alone(asked.pk, "Redis can't be reached, so the node was not asked")


def answer(pk: int) -> None:
    """On the node: let its agent try the packets, and write down what became of them."""
    _answer(pk, lambda row: why.explain(row.node, packets(row)))


def answer_alone(pk: int, reason: str) -> None:
    """In the panel: the oracle's word alone, and why it stands alone."""
    _answer(pk, lambda row: why.alone(row.node, packets(row), reason))


def await_answer(asked: Question, patience: float = PATIENCE) -> Question:
    """The question with its answer; after `patience` seconds the oracle's alone."""
    deadline = time.monotonic() + patience
    while asked.answered_at is None and time.monotonic() < deadline:
        time.sleep(0.1)
        asked.refresh_from_db()
    return overdue(asked, patience=0)


def overdue(asked: Question, patience: float = PATIENCE) -> Question:
    """The question; if it was asked `patience` seconds ago and is open, answered by the oracle."""
    if asked.answered_at is None and timezone.now() - asked.asked_at >= timedelta(seconds=patience):
        answer_alone(asked.pk, "the node's worker did not answer in time")
        asked.refresh_from_db()
    return asked


def purge() -> int:
    """Forget questions of yesterday."""
    old = Question.objects.filter(asked_at__lt=timezone.now() - _FORGET_AFTER)
    return old.delete()[0]


def _answer(pk: int, find: Callable[[Question], why.Explanation]) -> None:
    row = Question.objects.select_related("node", "peer").filter(pk=pk).first()
    if row is None or row.answered_at is not None:
        return
    found: dict[str, Any] = {}
    fault = ""
    try:
        found = find(row).to_json()
    except DeployError as error:
        fault = redact(str(error))[:1000]
    # Worker and panel may both have found an answer: the first one stands.
    Question.objects.filter(pk=pk, answered_at__isnull=True).update(
        answer=found, error=fault, answered_at=timezone.now(), payload=""
    )
