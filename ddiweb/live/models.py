"""What the watch saw: contacts, calls, security events. Written by the watch alone."""

from typing import ClassVar

from django.db import models

from ddiweb.deploy.models import Node


class Heartbeat(models.Model):
    """A process that says it is alive, so that silence can be told from calm."""

    name = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField()
    detail = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.name


class ClockReading(models.Model):
    """The last trusted time of one machine and boot (``ddiweb.clock``)."""

    machine = models.CharField(max_length=32, unique=True)
    boot_id = models.CharField(max_length=36)
    boottime = models.BigIntegerField(help_text="Microseconds since boot, suspend included.")
    trusted = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.machine} {self.trusted}"


class Contact(models.Model):
    """Where a registered phone, or a watched vendor, is reached now."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="contacts")
    endpoint = models.CharField(
        max_length=64, help_text="The key of a peer or a trunk: peer_7, trunk_3."
    )
    uri = models.CharField(max_length=512)
    address = models.CharField(max_length=64, blank=True)
    transport = models.CharField(max_length=4, blank=True, help_text="udp, tcp or tls.")
    token = models.CharField(
        max_length=40, blank=True, help_text="Beginning of the token that it shows, if any."
    )
    user_agent = models.CharField(max_length=255, blank=True, help_text="Tokens are redacted.")
    status = models.CharField(max_length=20, blank=True)
    round_trip_us = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField(null=True, help_text="Its last REGISTER, trusted time.")
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["endpoint"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "endpoint", "uri"], name="contact_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.address}"


class Call(models.Model):
    """One call record, a leg of a call, as Asterisk closed it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="calls")
    unique_id = models.CharField(max_length=64)
    sequence = models.PositiveIntegerField(
        default=0, help_text="With the unique id it names the record: a call may have several."
    )
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    caller = models.CharField(max_length=80, blank=True)
    number = models.CharField(max_length=32, blank=True)
    trunk = models.CharField(max_length=40, blank=True)
    peer = models.CharField(max_length=64, blank=True)
    disposition = models.CharField(max_length=20, blank=True)
    seconds = models.PositiveIntegerField(default=0)
    billed_seconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-started_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "unique_id", "sequence"], name="call_once"),
        ]

    def __str__(self) -> str:
        return f"{self.caller} → {self.number} {self.disposition}"


class SecurityEvent(models.Model):
    """A wrong password, an unknown user: somebody got through the firewall and failed."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="security_events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    account = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ["-at"]

    def __str__(self) -> str:
        return f"{self.what} {self.account} {self.address}"

    @property
    def what(self) -> str:
        """The kind in words."""
        return self.kind.replace("_", " ")


class SpoolMark(models.Model):
    """How far a file of call records was read, written together with the records themselves."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="spool_marks")
    head = models.CharField(max_length=64, help_text="SHA-256 of the file's first line.")
    offset = models.PositiveBigIntegerField(default=0)
    read_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "head"], name="spool_mark_once"),
        ]

    def __str__(self) -> str:
        return f"{self.head[:8]} {self.offset}"


# Models live in files of one idea; Django finds them here.
from ddiweb.live.restart_models import Restart  # noqa: E402
from ddiweb.live.state_models import Channel, TrunkState  # noqa: E402

__all__ = [
    "Call",
    "Channel",
    "ClockReading",
    "Contact",
    "Heartbeat",
    "Restart",
    "SecurityEvent",
    "SpoolMark",
    "TrunkState",
]
