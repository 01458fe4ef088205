"""Mailbox and VoiceMessage: where callers leave messages, and what they left."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from peers.audio import WithoutAudio
from peers.sound_models import Sound


class Mailbox(models.Model):
    """A mailbox on a node. Its phones have their lamp lit by it, and listen by dialling *97."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="mailboxes")
    name = models.CharField(
        max_length=80,
        validators=[validators.realtime_text],
        help_text="Whose messages these are, such as “Ada” or “London office”.",
    )
    greeting = models.ForeignKey(
        Sound,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="mailboxes",
        help_text="What callers hear before the tone. Blank: a short request to leave a message.",
    )
    email = models.EmailField(
        "e-mail to",
        blank=True,
        validators=[validators.plain_text],
        help_text="Each new message is sent there. Blank: no mail.",
    )
    attach = models.BooleanField(
        "with the recording", default=True, help_text="On: the mail holds it as a WAV file."
    )
    longest = models.PositiveSmallIntegerField(
        "longest message",
        default=180,
        validators=[MinValueValidator(10), MaxValueValidator(600)],
        help_text="Seconds, 10 to 600.",
    )
    keep_days = models.PositiveSmallIntegerField(
        "keep for",
        default=90,
        validators=[MaxValueValidator(3650)],
        help_text="Days after which a message is deleted. 0: until somebody deletes it.",
    )
    peers = models.ManyToManyField(
        "peers.Peer",
        blank=True,
        related_name="mailboxes",
        verbose_name="phones",
        help_text="Their message lamp is lit by it, and they hear it by dialling *97. No PIN is "
        "asked for: the phone has proved itself.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "mailboxes"
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="mailbox_name_once_a_node"),
            models.CheckConstraint(
                condition=Q(longest__gte=10, longest__lte=600), name="mailbox_longest"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk."""
        return f"box_{self.pk}"


class VoiceMessage(models.Model):
    """What a caller left: a copy of what Asterisk keeps. Written by the node's worker alone."""

    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="messages")
    message_id = models.CharField(max_length=32)
    folder = models.CharField(max_length=10)
    caller = models.CharField(max_length=24, blank=True)
    number = models.CharField("called", max_length=16, blank=True)
    received_at = models.DateTimeField("received")
    seconds = models.PositiveIntegerField()
    audio = models.BinaryField()
    removing = models.BooleanField(default=False)
    mail_due_at = models.DateTimeField(null=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)
    mail_error = models.CharField(max_length=300, blank=True)
    mailed_at = models.DateTimeField(null=True)

    objects = WithoutAudio()

    class Meta:
        verbose_name = "voicemail"
        verbose_name_plural = "voicemail"
        ordering: ClassVar = ["-received_at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["mail_due_at"], name="voicemail_due")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mailbox", "message_id"], name="voicemail_once"),
        ]

    def __str__(self) -> str:
        return f"{self.caller or 'hidden number'}, {self.received_at:%Y-%m-%d %H:%M}"

    @property
    def heard(self) -> bool:
        """Whether somebody listened to it by phone."""
        return self.folder != "INBOX"
