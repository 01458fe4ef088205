"""Outgoing calls: policies, their trunks and prefixes."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from peers.numbering.zones import countries, zones
from peers.toll_models import PREFIX, Caps

SHORT_NUMBERS = r"([0-9]{2,6}( [0-9]{2,6}){0,9})?"


def known_zones(value: Any) -> None:
    """Refuse what is no list of zones' keys, each once. Raises ValidationError."""
    known = zones()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValidationError("is not a list of countries", code="not_a_list")
    unknown = [one for one in value if one not in known]
    if unknown:
        raise ValidationError(
            f"{unknown[0][:10]!r} is no country here; write ISO codes such as GB",
            code="unknown_zone",
        )
    if len(set(value)) != len(value):
        raise ValidationError("names a country twice; name it once", code="repeated")


class OutgoingPolicy(Caps):
    """Where phones may call, by which trunks, as whom and how much; nothing is allowed at first."""

    # Of each phone by itself. Never without a limit: a stolen phone calls all night.
    calls_max = models.PositiveIntegerField(
        "calls at once", default=2, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    calls_a_minute = models.PositiveIntegerField(
        "calls a minute", default=6, validators=[MinValueValidator(1), MaxValueValidator(120)]
    )
    minutes_a_day = models.PositiveIntegerField(
        "minutes a day", default=120, validators=[MinValueValidator(1), MaxValueValidator(100_000)]
    )
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="outgoing_policies")
    name = models.CharField(max_length=80, validators=[validators.realtime_text])
    country = models.CharField(
        max_length=2,
        help_text="Where the people are who dial: 020… is a number of this country, and its "
        "emergency numbers are theirs.",
    )
    number = models.ForeignKey(
        "peers.Number",
        on_delete=models.PROTECT,
        related_name="outgoing_policies",
        verbose_name="caller ID",
        help_text="The DDI that is shown, unless a phone has one of its own.",
    )
    zones = models.JSONField(
        "countries",
        default=list,
        blank=True,
        validators=[known_zones],
        help_text="All others are refused. Satellite and international networks stand last.",
    )
    premium = models.BooleanField(
        "premium numbers too",
        default=False,
        help_text="Premium-rate, shared-cost, personal and pager numbers of these countries: what "
        "toll fraud is after.",
    )
    longest_call = models.PositiveSmallIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text="Minutes; then the call is cut. A call holds so much of the day until it ends.",
    )
    emergency_trunk = models.ForeignKey(
        "peers.Trunk",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="emergency_policies",
        help_text="Tried first for emergency numbers, then the trunks below. Blank: those alone. "
        "It is not guaranteed that such a call arrives: it needs power, network and a vendor that "
        "carries it, and no location is sent. Keep another way to call for help.",
    )
    emergency_more = models.CharField(
        "further emergency numbers",
        max_length=80,
        blank=True,
        validators=[
            validators.Pattern(SHORT_NUMBERS, "write numbers of 2 to 6 digits, blanks between")
        ],
        help_text="Beside those of the country. Never blocked, never counted.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name_plural = "outgoing policies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="policy_name_once_a_node"),
            models.CheckConstraint(
                condition=Q(calls_max__range=(1, 1000), minutes_a_day__range=(1, 100_000)),
                name="policy_day",
            ),
            models.CheckConstraint(
                condition=Q(calls_a_minute__range=(1, 120)), name="policy_minute"
            ),
            models.CheckConstraint(
                condition=Q(longest_call__gte=1, longest_call__lte=240), name="policy_longest"
            ),
            models.CheckConstraint(condition=Q(money_a_day__gte=0), name="policy_money"),
            models.CheckConstraint(
                condition=Q(emergency_more__regex=rf"\A{SHORT_NUMBERS}\Z"), name="policy_emergency"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk."""
        return f"policy_{self.pk}"

    def clean(self) -> None:
        """What it points to is on its own node. Raises ValidationError."""
        faults: dict[str, ValidationError] = {}
        if self.country and self.country not in dict(countries()):
            faults["country"] = ValidationError(
                "is no country here; write its ISO code, such as GB", code="unknown_country"
            )
        if self.number_id and self.number.trunk.node_id != self.node_id:
            faults["number"] = ValidationError(
                "is on another node; choose a DDI of this node", code="other_node"
            )
        if self.emergency_trunk is not None:
            fault = trunk_fault(self.emergency_trunk, self.node_id)
            if fault:
                faults["emergency_trunk"] = fault
        if faults:
            raise ValidationError(faults)


def trunk_fault(trunk: Any, node_id: int | None) -> ValidationError | None:
    """Why calls of this node can't go out by ``trunk``, or None."""
    if trunk.node_id != node_id:
        return ValidationError("is on another node; choose a trunk of this node", code="other_node")
    if not trunk.host:
        return ValidationError(
            "has no host to call; give the trunk the vendor's host first", code="no_host"
        )
    return None


class OutgoingTrunk(models.Model):
    """One trunk of a policy; the next is tried if it can't place the call."""

    policy = models.ForeignKey(OutgoingPolicy, on_delete=models.CASCADE, related_name="trunks")
    trunk = models.ForeignKey(
        "peers.Trunk", on_delete=models.PROTECT, related_name="outgoing_policies"
    )
    position = models.PositiveSmallIntegerField(
        "order", validators=[MinValueValidator(1), MaxValueValidator(20)], help_text="1 is first."
    )

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "trunk"], name="trunk_once_a_policy"),
        ]

    def __str__(self) -> str:
        return f"{self.trunk}"


class OutgoingPrefix(models.Model):
    """Numbers that are allowed or refused beside a policy's countries; the longest decides."""

    policy = models.ForeignKey(OutgoingPolicy, on_delete=models.CASCADE, related_name="prefixes")
    prefix = models.CharField(
        max_length=16,
        validators=[validators.Pattern(PREFIX, "write a number or its beginning, such as +4420")],
        help_text="A whole number or its beginning, in E.164.",
    )
    allow = models.BooleanField(default=False, help_text="Off: refused.")
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])

    class Meta:
        ordering: ClassVar = ["prefix"]
        verbose_name_plural = "outgoing prefixes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "prefix"], name="prefix_once_a_policy"),
            models.CheckConstraint(
                condition=Q(prefix__regex=rf"\A{PREFIX}\Z"), name="outgoing_prefix_form"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix} {'allowed' if self.allow else 'refused'}"
