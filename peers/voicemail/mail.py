"""Send recordings by e-mail: each until the mail server has taken it, and then no more."""

import logging
import time
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from peers.models import VoiceMessage

log = logging.getLogger(__name__)

#: Tries of one message: over about two days.
MOST_TRIES = 16
LONGEST_WAIT = timedelta(hours=6)
#: Seconds that one run may take; a task has 45.
PATIENCE = 25.0


def run() -> int:
    """Send what is due; returns how many were sent. A second worker never sends the same."""
    sent, end = 0, time.monotonic() + PATIENCE
    due = VoiceMessage.objects.filter(mail_due_at__lte=timezone.now()).order_by("mail_due_at")
    for row in due.select_related("mailbox__node")[:50]:
        if time.monotonic() > end:
            break
        sent += _claimed(row) and _send(row)
    return sent


def _claimed(row: VoiceMessage) -> bool:
    """Put the next try off before this one is made: whoever dies on the way tries again then."""
    wait = min(timedelta(seconds=30) * 2**row.mail_tries, LONGEST_WAIT)
    last = row.mail_tries + 1 >= MOST_TRIES
    return bool(
        VoiceMessage.objects.filter(pk=row.pk, mail_due_at=row.mail_due_at).update(
            mail_due_at=None if last else timezone.now() + wait, mail_tries=row.mail_tries + 1
        )
    )


def _send(row: VoiceMessage) -> bool:
    try:
        if not settings.EMAIL_HOST:
            raise OSError("no mail server is set: DDIWEB_SMTP_HOST")
        with get_connection() as connection:
            letter(row, connection).send()
    except (SMTPException, OSError) as error:
        text = f"{type(error).__name__}: {error}"[:300]
        VoiceMessage.objects.filter(pk=row.pk).update(mail_error=text)
        log.warning("voicemail %s: the mail was not taken: %s", row.message_id, text)
        return False
    VoiceMessage.objects.filter(pk=row.pk).update(
        mailed_at=timezone.now(), mail_due_at=None, mail_error=""
    )
    return True


def letter(row: VoiceMessage, connection: object = None) -> EmailMessage:
    """The mail: who called which number, when, and the recording if the mailbox wants it."""
    who = row.caller or "a caller who hides the number"
    number = f"+{row.number}" if row.number else "your number"
    made = EmailMessage(
        subject=f"Voicemail from {who}",
        body=f"{who} called {number} and left a message of {row.seconds} seconds in the mailbox "
        f"“{row.mailbox}”.\n\nReceived {row.received_at:%Y-%m-%d %H:%M} UTC.\n",
        to=[row.mailbox.email],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834, 5
        connection=connection,  # type: ignore[arg-type]  # Django's stubs know no protocol for it
    )
    if row.mailbox.attach:
        audio = VoiceMessage.objects.values_list("audio", flat=True).get(pk=row.pk)
        name = f"voicemail-{row.received_at:%Y%m%d-%H%M%S}.wav"
        made.attach(name, bytes(audio), "audio/wav")
    return made
