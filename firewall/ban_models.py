"""Who is shut out, since when, why and by whom. A ban is never edited or forgotten: it ends."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ddiweb import clock, validators
from ddiweb.deploy.models import Node
from ddiweb.fields import NetworkField
from firewall.choices import BanReason, BanSource


class BanQuery(models.QuerySet["Ban"]):
    """Bans by whether they hold now."""

    def active(self, now: datetime | None = None) -> "BanQuery":
        """Those that hold: neither lifted nor over."""
        over = Q(until__isnull=True) | Q(until__gt=now or clock.now())
        return self.filter(over, lifted_at__isnull=True)

    def ended(self) -> "BanQuery":
        """Those that hold no more; their reasons are kept."""
        return self.filter(Q(lifted_at__isnull=False) | Q(until__lte=clock.now()))


class Ban(models.Model):
    """A network that is shut out of SIP and audio, for a time or for good.

    A timed one stands in a set of the kernel that counts down by itself; one without an end is
    part of the node's ruleset.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="bans")
    cidr = NetworkField("network", help_text="An address or a network, such as 198.51.100.7.")
    reason = models.CharField(max_length=20, choices=BanReason.choices, default=BanReason.BY_HAND)
    note = models.CharField(max_length=200, blank=True, validators=[validators.plain_text])
    source = models.CharField(max_length=5, choices=BanSource.choices, default=BanSource.HAND)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is lifted.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True, editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    refused = models.CharField(
        max_length=200, blank=True, help_text="Why the node's agent would not shut it out."
    )

    objects = BanQuery.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["node", "cidr"], name="ban_by_network")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(cidr__regex=r"\A[0-9a-f.:]{2,39}/[0-9]{1,3}\Z"), name="ban_network_form"
            ),
            models.CheckConstraint(condition=Q(reason__in=BanReason.values), name="ban_reason"),
            models.CheckConstraint(condition=Q(source__in=BanSource.values), name="ban_source"),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def address(self) -> str:
        """The network; one address without its prefix length."""
        return self.cidr.removesuffix("/128" if ":" in self.cidr else "/32")

    @property
    def active(self) -> bool:
        """Whether it holds now."""
        return self.lifted_at is None and (self.until is None or self.until > clock.now())
