"""Number, Step and StepPeer: a DDI, or a block of them, and what happens when somebody calls."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from peers.choices import Anonymous, Cause, Final, Show, StepKind
from peers.realtime.blocks import BLOCK_MAX, size
from peers.schedule_models import Schedule
from peers.sound_models import Sound
from peers.trunk_models import Trunk
from peers.voicemail_models import Mailbox

if TYPE_CHECKING:
    from peers.models import Peer
    from peers.person_models import StepPerson


class Number(models.Model):
    """A DDI in E.164 on a trunk, or a block of them, with an ordered route."""

    trunk = models.ForeignKey(Trunk, on_delete=models.PROTECT, related_name="numbers")
    e164 = models.CharField(
        "number",
        max_length=16,
        validators=[validators.e164],
        help_text="The DDI in E.164, such as +442079460123.",
    )
    last = models.CharField(
        "last number of a block",
        max_length=16,
        blank=True,
        validators=[validators.e164],
        help_text="Only for a block: every number from the one above to this one, such as "
        "+442079460199. A number of its own within the block goes before the block.",
    )
    label = models.CharField(
        max_length=80,
        blank=True,
        validators=[validators.realtime_text],
        help_text="What it is for, such as “London office”. Shown on the phone that rings.",
    )
    show = models.CharField(
        "phones show",
        max_length=8,
        choices=Show.choices,
        default=Show.LABEL,
        help_text="With the label, one sees which number was called. The caller's number is shown "
        "beside it in any case.",
    )
    enabled = models.BooleanField(default=True, help_text="Off: callers hear “not in service”.")
    anonymous = models.CharField(
        "callers who hide their number",
        max_length=8,
        choices=Anonymous.choices,
        default=Anonymous.RING,
    )
    listed_only = models.BooleanField(
        "listed callers only",
        default=False,
        help_text="On: only callers who are allowed under “Caller rules” get through.",
    )
    final = models.CharField(
        "after the last step",
        max_length=12,
        choices=Final.choices,
        default=Final.AUTO,
        help_text="What the caller is told if no step took the call. So each call ends somewhere.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["e164", "last"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(e164__regex=r"\A\+[1-9][0-9]{6,14}\Z"), name="number_is_e164"
            ),
            models.CheckConstraint(
                condition=Q(last__regex=r"\A(\+[1-9][0-9]{6,14})?\Z"), name="last_is_e164"
            ),
            models.CheckConstraint(
                condition=Q(anonymous__in=Anonymous.values), name="number_anonymous"
            ),
            models.CheckConstraint(condition=Q(show__in=Show.values), name="number_show"),
            models.CheckConstraint(condition=Q(final__in=Final.values), name="number_final"),
            models.UniqueConstraint(
                fields=["e164", "last"],
                name="number_once",
                violation_error_message="Number with this number already exists.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.e164} to {self.last}" if self.last else self.e164

    @property
    def digits(self) -> str:
        """The number without its plus, as the dialplan looks it up."""
        return self.e164.removeprefix("+")

    @property
    def last_digits(self) -> str:
        """The last number of a block without its plus; empty for a single number."""
        return self.last.removeprefix("+")

    def clean(self) -> None:
        """Refuse what is no block, and a block that shares numbers with another one."""
        if not self.last:
            return
        try:
            validators.e164(self.e164)
            validators.e164(self.last)
        except ValidationError:
            return  # the field has an error of its own
        count = size(self.digits, self.last_digits)
        if not 2 <= count <= BLOCK_MAX:
            text = (
                f"is not after {self.e164}, with as many digits and at most {BLOCK_MAX:,} numbers "
                "in all; write the block's last number, or leave it blank for a single number"
            )
            raise ValidationError({"last": ValidationError(text, code="no_block")})
        # Of one length, digits sort as the numbers do.
        others = Number.objects.filter(
            last__regex=rf"\A\+[0-9]{{{len(self.digits)}}}\Z",
            e164__lte=self.last,
            last__gte=self.e164,
        )
        if other := others.exclude(pk=self.pk).exclude(e164=self.e164, last=self.last).first():
            text = f"shares numbers with the block {other}; narrow one of the two"
            raise ValidationError({"last": ValidationError(text, code="blocks_overlap")})


class Step(models.Model):
    """One stage of a number's route; the next one follows if nobody answers."""

    number = models.ForeignKey(Number, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="1 is first.",
    )
    kind = models.CharField(max_length=10, choices=StepKind.choices, default=StepKind.RING)
    peers = models.ManyToManyField(
        "peers.Peer",
        blank=True,
        through="peers.StepPeer",
        related_name="steps",
        help_text="Which phones ring.",
    )
    persons = models.ManyToManyField(
        "peers.Person",
        blank=True,
        through="peers.StepPerson",
        related_name="steps",
        help_text="Who is rung, on all their phones.",
    )
    in_turn = models.BooleanField(
        "one after the other",
        default=False,
        help_text="On: they ring in their order, each for its own time; first the persons, each on "
        "all phones together, then the single phones. Off: all at once.",
    )
    timeout = models.PositiveSmallIntegerField(
        "ring for",
        default=25,
        validators=[MinValueValidator(5), MaxValueValidator(120)],
        help_text="Seconds before the next step.",
    )
    cause = models.CharField(
        max_length=12,
        choices=Cause.choices,
        default=Cause.UNAVAILABLE,
        help_text="What the caller is told, if the call is rejected.",
    )
    sound = models.ForeignKey(
        Sound,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        verbose_name="announcement",
        help_text="What the caller hears; then the next step follows.",
    )
    forward_to = models.CharField(
        "telephone number",
        max_length=16,
        blank=True,
        validators=[validators.e164],
        help_text="Whom to call instead, in E.164, such as +447700900123. The caller's own number "
        "is shown there.",
    )
    policy = models.ForeignKey(
        "peers.OutgoingPolicy",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        verbose_name="outgoing policy",
        help_text="Its trunks, countries and limits hold; they count for this number by itself.",
    )
    mailbox = models.ForeignKey(
        Mailbox,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        help_text="Where the caller leaves a message.",
    )
    schedule = models.ForeignKey(
        Schedule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        verbose_name="hours",
        help_text="Outside these hours the step is passed over. Blank: at all hours.",
    )

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["number", "position"], name="one_step_a_position"),
            models.CheckConstraint(condition=Q(kind__in=StepKind.values), name="step_kind"),
            models.CheckConstraint(condition=Q(cause__in=Cause.values), name="step_cause"),
            models.CheckConstraint(
                condition=Q(position__gte=1, position__lte=20), name="step_position"
            ),
            models.CheckConstraint(
                condition=Q(timeout__gte=5, timeout__lte=120), name="step_timeout"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}, {self.get_kind_display().lower()}"

    @property
    def rung(self) -> "list[StepPerson | StepPeer]":
        """Whom it rings, in their order: persons, then single phones."""
        rung: list[StepPerson | StepPeer] = list(self.person_places.all())
        return rung + list(self.places.all())

    @property
    def seconds(self) -> list[int | None]:
        """Each phone's own time, in their order; empty if none has one."""
        return _own_times(place.seconds for place in self.places.all())

    @property
    def person_seconds(self) -> list[int | None]:
        """Each person's own time, in their order; empty if none has one."""
        return _own_times(place.seconds for place in self.person_places.all())


def _own_times(seconds: Iterable[int | None]) -> list[int | None]:
    own = list(seconds)
    return own if any(own) else []


class Rung(models.Model):
    """Who a step rings, with its place and its own time if they ring in turn."""

    place = models.PositiveSmallIntegerField(default=0)
    seconds = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(120)],
        help_text="Blank: as long as the step says.",
    )

    class Meta:
        abstract = True
        ordering: ClassVar = ["place", "pk"]


class StepPeer(Rung):
    """A phone of a ring step."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="places")
    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="places")

    class Meta(Rung.Meta):
        db_table = "peers_step_peers"
        unique_together: ClassVar = [("step", "peer")]

    def __str__(self) -> str:
        return str(self.peer)

    @property
    def target(self) -> "Peer":
        """What is rung, as of ``StepPerson``."""
        return self.peer
