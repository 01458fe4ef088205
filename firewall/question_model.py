"""A question to a node's firewall: would this packet get through? Asked here, answered there."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models

from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.models import Peer

PROTOCOLS = [("udp", "UDP"), ("tcp", "TCP"), ("tls", "TLS"), ("icmp", "ICMP")]


class Question(models.Model):
    """One packet, and what became of it.

    Only the worker on the node can ask its agent, so a question is a row before it is a task.
    What was pasted may hold a token: it is encrypted, and gone as soon as it is answered.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="questions")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    source = models.CharField(max_length=60)
    protocol = models.CharField(max_length=4, choices=PROTOCOLS, default="udp")
    to_port = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(65535)])
    peer = models.ForeignKey(
        Peer, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    payload = EncryptedTextField(default="")
    reply = models.BooleanField(default=False)
    answered_at = models.DateTimeField(null=True)
    answer = models.JSONField(default=dict)
    error = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions: ClassVar = ("add", "view")
        verbose_name = "question"
        verbose_name_plural = "why?"

    def __str__(self) -> str:
        return f"{self.protocol} from {self.source}"
