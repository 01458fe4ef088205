"""What the firewall counted: one row an interval and subject, and the reading it was told from."""

from typing import ClassVar

from django.db import models

from ddiweb.deploy.models import Node


class TrafficSample(models.Model):
    """Packets of one subject in one interval; an interval without packets has no row.

    ``kind``: ``token`` (key: its mark), ``drop`` (key: the reason), ``revoked`` (mark), or the
    kind of a set of addresses, such as ``vendor`` and ``ban`` (key: the network). The key ``…``
    holds all subjects of a kind that were too many to keep apart.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="traffic")
    at = models.PositiveBigIntegerField("end of the interval, Unix time in seconds")
    span = models.PositiveIntegerField("length of the interval in seconds")
    kind = models.CharField(max_length=12)
    key = models.CharField(max_length=50)
    packets = models.PositiveBigIntegerField()

    class Meta:
        ordering: ClassVar = ["-at", "kind", "key"]
        default_permissions: ClassVar = ("view",)
        verbose_name_plural = "traffic"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["node", "kind", "key", "at", "span"], name="traffic_once_an_interval"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["node", "at"], name="traffic_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class TrafficReading(models.Model):
    """The agent's last word on its totals; the next one is compared with it."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="traffic_reading")
    at = models.PositiveBigIntegerField()
    epoch = models.CharField(max_length=32)
    totals = models.JSONField()

    class Meta:
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return self.epoch
