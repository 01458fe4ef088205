"""Trunk, Number, Step, Peer and Token: what a person stores, in the field's own words."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.caller_models import CallerRule
from peers.choices import Carrier, Cause, StepKind, Transport
from peers.defaults import default_codecs, new_password
from peers.leak_models import TokenLeak
from peers.schedule_models import Schedule, ScheduleTime
from peers.tls_models import Authority, NodeCertificate, ProvisioningLink
from peers.token_models import Token
from peers.trunk_models import Trunk
from peers.validators import known_codecs
from peers.vendor_models import TrunkAddress, TrunkHost, TrunkNetwork

__all__ = [
    "Authority", "CallerRule", "NodeCertificate", "Number", "Peer", "ProvisioningLink", "Schedule",
    "ScheduleTime", "Step", "Token", "TokenLeak", "Trunk", "TrunkAddress", "TrunkHost",
    "TrunkNetwork",
]  # fmt: skip


class Peer(models.Model):
    """One SIP app on one device."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="peers")
    name = models.CharField(
        max_length=80,
        validators=[validators.realtime_text],
        help_text="Whose phone this is, such as “Ada mobile”. Shown on calls.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="peers",
        help_text="The person who uses it, if they have an account here.",
    )
    username = models.CharField(
        "SIP username",
        max_length=40,
        validators=[validators.sip_username],
        help_text="What the app signs in with. It can't be a trunk's or another peer's.",
    )
    password = EncryptedTextField(
        "SIP password",
        default=new_password,
        validators=[
            validators.Pattern(
                r"[A-Za-z0-9._~!*+=-]{12,64}",
                "use 12 to 64 letters, digits or ._~!*+=-; leave it to ddiweb to make one",
            )
        ],
    )
    carrier = models.CharField(
        "token is carried by",
        max_length=10,
        choices=Carrier.choices,
        default=Carrier.USER_AGENT,
        help_text="Where the app has room for the token. As SIP username, the phone signs in with "
        "the token in place of the username above. After a change the phone must be set up anew.",
    )
    enabled = models.BooleanField(
        default=True, help_text="Off: the phone is cut off at once, its settings are kept."
    )
    codecs = models.JSONField(default=default_codecs, validators=[known_codecs])
    transport = models.CharField(
        max_length=3,
        choices=Transport.choices,
        default=Transport.UDP,
        help_text="TLS and TCP must be switched on for the node first.",
    )
    strict_names = models.BooleanField(
        "this app checks names strictly",
        default=False,
        help_text="Only with TLS, for apps that refuse wildcard certificates (those built on "
        "PJSIP, such as MicroSIP, when they verify). Its server name, which holds its token, then "
        "stands in the certificate, and every phone with TLS can read it there.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(excluded_fields=["password"])

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(transport__in=Transport.values), name="peer_transport"
            ),
            models.UniqueConstraint(fields=["node", "username"], name="username_once_a_node"),
            models.CheckConstraint(
                condition=Q(username__regex=r"\A[a-z0-9_.-]{3,40}\Z"),
                name="peer_username_form",
            ),
            models.CheckConstraint(
                # Names in Asterisk: a phone that signed in as one would be taken for it.
                # Asterisk gives an endpoint named anonymous to callers that it can't identify.
                condition=~Q(username__regex=r"\A((trunk|peer)_[0-9]+|anonymous)\Z"),
                name="peer_username_is_free",
                violation_error_message="A username like trunk_1, peer_1 or anonymous is taken.",
            ),
            models.CheckConstraint(
                # A name with a token in it would let in whoever knows the name.
                condition=~Q(username__regex=r"ddi-[a-z2-7]{8}-"),
                name="peer_username_is_no_token",
                violation_error_message="A username with ddi-…- in it looks like a token.",
            ),
            models.CheckConstraint(condition=Q(carrier__in=Carrier.values), name="peer_carrier"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk: letters, digits and underscores only."""
        return f"peer_{self.pk}"


class Number(models.Model):
    """A DDI in E.164 on a trunk, with an ordered route."""

    trunk = models.ForeignKey(Trunk, on_delete=models.PROTECT, related_name="numbers")
    e164 = models.CharField(
        "number",
        max_length=16,
        unique=True,
        validators=[validators.e164],
        help_text="The DDI in E.164, such as +442079460123.",
    )
    label = models.CharField(
        max_length=80,
        blank=True,
        validators=[validators.realtime_text],
        help_text="What it is for, such as “London office”. Shown on the phone that rings.",
    )
    enabled = models.BooleanField(default=True, help_text="Off: callers hear “not in service”.")
    reject_anonymous = models.BooleanField(
        "reject anonymous callers",
        default=False,
        help_text="On: callers who hide their number are turned away.",
    )
    listed_only = models.BooleanField(
        "listed callers only",
        default=False,
        help_text="On: only callers who are allowed under “Caller rules” get through.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["e164"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(e164__regex=r"\A\+[1-9][0-9]{6,14}\Z"), name="number_is_e164"
            ),
        ]

    def __str__(self) -> str:
        return self.e164

    @property
    def digits(self) -> str:
        """The number without its plus, as the dialplan looks it up."""
        return self.e164.removeprefix("+")


class Step(models.Model):
    """One stage of a number's route; the next one follows if nobody answers."""

    number = models.ForeignKey(Number, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="1 is first.",
    )
    kind = models.CharField(max_length=10, choices=StepKind.choices, default=StepKind.RING)
    peers = models.ManyToManyField(
        Peer,
        blank=True,
        related_name="steps",
        help_text="Which phones ring, all at once.",
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
