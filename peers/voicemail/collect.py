"""Bring the node's recordings into the database, and the panel's wishes to Asterisk.

Asterisk's folder is the truth of what there is; the database has a copy, with the audio, so that
people listen and mail is sent without reaching into the node. A message is known by Asterisk's own
id for it, however often it is moved and numbered anew.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from peers.models import Mailbox, VoiceMessage
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client
from peers.voicemail import spool

log = logging.getLogger(__name__)

#: Messages taken up in one run; the next one goes on.
MOST = 50


def run(node: Node, root: Path | None = None, ami: Callable[[], AmiClient] = ami_client) -> int:
    """Take up new messages, note what was heard or deleted by phone, delete what the panel wants.

    Returns how many are new.
    """
    root = root or Path(settings.VOICEMAIL_DIR)
    boxes = {box.key: box for box in Mailbox.objects.filter(node=node)}
    found = {(one.box, one.id): one for one in spool.read(root) if one.box in boxes}
    rows = {
        (row.mailbox.key, row.message_id): row
        for row in VoiceMessage.objects.filter(mailbox__node=node).select_related("mailbox")
    }
    fresh = [one for key, one in found.items() if key not in rows][:MOST]
    taken = sum(take_up(boxes[one.box], one) for one in fresh)
    for key, row in rows.items():
        if key in found:
            if row.folder != found[key].folder:
                VoiceMessage.objects.filter(pk=row.pk).update(folder=found[key].folder)
        elif row.mail_due_at is None and root.is_dir():
            row.delete()  # by phone, or by us
    _expire(boxes)
    remove([found[key] for key, row in rows.items() if row.removing and key in found], ami)
    return taken


@transaction.atomic
def take_up(box: Mailbox, message: spool.Message) -> bool:
    """Store one message, once; it is due to be mailed where the mailbox has an address."""
    audio = spool.audio(message)
    if audio is None:
        return False
    _, new = VoiceMessage.objects.get_or_create(
        mailbox=box,
        message_id=message.id,
        defaults={
            "folder": message.folder,
            "caller": message.caller,
            "number": message.number,
            "received_at": datetime.fromtimestamp(message.at, UTC),
            "seconds": message.seconds,
            "audio": audio,
            "mail_due_at": timezone.now() if box.email else None,
        },
    )
    return new


def remove(messages: list[spool.Message], ami: Callable[[], AmiClient] = ami_client) -> None:
    """Have Asterisk delete ``messages`` as a phone would: lamps follow."""
    if not messages:
        return
    try:
        with ami() as client:
            for one in messages:
                client.action(
                    "VoicemailRemove", Context=spool.CONTEXT, Mailbox=one.box, Folder=one.folder,
                    ID=one.id,
                )  # fmt: skip
    except DeployError as error:
        log.warning("voicemail: messages could not be deleted yet: %s", error)


def _expire(boxes: dict[str, Mailbox]) -> None:
    for box in boxes.values():
        if box.keep_days:
            old = timezone.now() - timedelta(days=box.keep_days)
            rows = VoiceMessage.objects.filter(mailbox=box, received_at__lt=old, removing=False)
            rows.update(removing=True)
