"""Sound: an announcement or a greeting, as Asterisk plays it."""

import hashlib
from typing import ClassVar

from django.db import models

from ddiweb import validators
from ddiweb.deploy.models import Node
from peers.audio import WithoutAudio
from peers.sounds.convert import convert


class Sound(models.Model):
    """A recording that callers hear; the database carries it to the node's worker."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="sounds")
    name = models.CharField(
        max_length=80,
        validators=[validators.plain_text],
        help_text="What people call it, such as “Office closed”.",
    )
    audio = models.BinaryField(editable=False, default=b"")
    digest = models.CharField(max_length=16, editable=False)
    seconds = models.FloatField(editable=False, default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WithoutAudio()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="sound_name_once_a_node"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its file's name on the node, without ending; other contents are another file."""
        return f"sound_{self.pk}-{self.digest}"

    def take(self, data: bytes) -> None:
        """Hold what was uploaded, converted; raises ValidationError. It is not saved yet."""
        made = convert(data)
        self.audio = made.wav
        self.seconds = round(made.seconds, 1)
        self.digest = hashlib.sha256(made.wav).hexdigest()[:16]
