"""What is kept for TLS: the panel's roots, each node's certificate, links that set up a phone."""

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.choices import PhoneFormat


class Authority(models.Model):
    """A root of the panel's own; one is current.

    ``cross`` is this root signed by the one before: it is sent along while phones trust either.
    The key of a root that is not current any more is erased.
    """

    current = models.BooleanField(default=True)
    certificate = models.TextField()
    key = EncryptedTextField(blank=True)
    cross = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "authorities"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["current"], condition=Q(current=True), name="one_current_authority"
            ),
        ]

    def __str__(self) -> str:
        return f"authority {self.pk}"


class NodeCertificate(models.Model):
    """The certificate that a node's Asterisk was given; its key is on the node alone."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="certificate")
    fingerprint = models.CharField(max_length=95)
    names = models.JSONField(default=list)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    renew_at = models.DateTimeField()
    served = models.BooleanField(
        default=False, help_text="Whether Asterisk was seen to answer with it."
    )
    checked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["not_after"]
        verbose_name = "certificate"

    def __str__(self) -> str:
        return f"certificate of {self.node}"

    @property
    def overdue(self) -> bool:
        """Whether it should have been renewed by now (a day of patience for a node that is off)."""
        return timezone.now() > self.renew_at + timedelta(days=1)


class ProvisioningLink(models.Model):
    """A secret address from which one phone is set up, once; only its hash is kept."""

    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="links")
    digest = models.CharField(max_length=64, unique=True)
    format = models.CharField(max_length=10, choices=PhoneFormat.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(format__in=PhoneFormat.values), name="provisioning_format"
            ),
        ]

    def __str__(self) -> str:
        return f"link {self.pk}"
