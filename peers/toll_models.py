"""Tolls: caps of what calls may use, limits and rates of trunks, alarms."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb.deploy.models import Node

PREFIX = r"\+[1-9][0-9]{0,14}"
#: Ten-thousandths, as the dialplan counts.
UNIT = 10_000


class Caps(models.Model):
    """What may be used: at once, in a minute, in a day of UTC. 0 is no limit."""

    calls_max = models.PositiveIntegerField(
        "calls at once", default=0, validators=[MaxValueValidator(100_000)]
    )
    calls_a_minute = models.PositiveIntegerField(
        "calls a minute", default=0, validators=[MaxValueValidator(120)]
    )
    minutes_a_day = models.PositiveIntegerField(
        "minutes a day", default=0, validators=[MaxValueValidator(1_000_000)]
    )
    money_a_day = models.DecimalField(
        "money a day",
        max_digits=10,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
        help_text="In the currency of the rates. A call to a number without a rate is refused "
        "then. 0: no limit.",
    )

    class Meta:
        abstract = True


class TrunkToll(Caps):
    """What all outgoing calls of a trunk together may use, and what its vendor asks for them."""

    trunk = models.OneToOneField("peers.Trunk", on_delete=models.CASCADE, related_name="toll")
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["trunk__name"]
        verbose_name = "toll limit"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(calls_a_minute__lte=120), name="toll_minute"),
            models.CheckConstraint(condition=Q(money_a_day__gte=0), name="toll_money"),
        ]

    def __str__(self) -> str:
        return f"toll limits of {self.trunk}"


class Rate(models.Model):
    """What the vendor of a trunk asks for numbers with a prefix."""

    toll = models.ForeignKey(TrunkToll, on_delete=models.CASCADE, related_name="rates")
    prefix = models.CharField(max_length=16)
    a_minute = models.DecimalField(max_digits=9, decimal_places=4)
    setup = models.DecimalField(max_digits=9, decimal_places=4, default=Decimal(0))
    increment = models.PositiveSmallIntegerField(default=60, help_text="Seconds.")

    class Meta:
        ordering: ClassVar = ["prefix"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["toll", "prefix"], name="rate_once_a_trunk"),
            models.CheckConstraint(condition=Q(prefix__regex=rf"\A{PREFIX}\Z"), name="rate_form"),
            models.CheckConstraint(
                condition=Q(a_minute__gte=0, setup__gte=0, increment__range=(1, 3600)),
                name="rate_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix} {self.a_minute}"


class TollAlarm(models.Model):
    """A cap that was reached, or an emergency number that was dialled; Asterisk counted it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="toll_alarms")
    who = models.CharField(max_length=40, help_text="The key of a peer, a trunk or a number.")
    cap = models.CharField(max_length=16)
    times = models.PositiveIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-last_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "who", "cap"], name="alarm_once"),
        ]

    def __str__(self) -> str:
        return f"{self.who}: {self.what}"

    @property
    def what(self) -> str:
        """The cap in words."""
        return CAP_WORDS.get(self.cap, self.cap)


CAP_WORDS = {
    "calls": "as many calls at once as allowed",
    "minute": "as many calls in a minute as allowed",
    "minutes": "the day's minutes are used up",
    "money": "the day's money is used up",
    "unrated": "a call to a number without a rate, though money is capped",
    "channels": "all channels of the trunk are taken",
    "emergency": "an emergency number was dialled",
    "lock": "Asterisk could not count, and let nothing through",
    "trunk": "the trunk is unknown to Asterisk",
}
