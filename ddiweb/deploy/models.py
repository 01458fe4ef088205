"""Node and Deployment: a deployment is a row before it is a task."""

import secrets
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.options import CONSTRAINTS, FirewallOptions
from ddiweb.deploy.states import FINISHED, MEANING, RUNNING, State

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def new_site_prefix() -> str:
    """Return ``ddi-`` + 8 random base32 characters + ``-``: what every token of a node begins with.

    A packet without it is dropped after one string match, however many tokens there are.
    """
    return "ddi-" + "".join(secrets.choice(BASE32) for _ in range(8)) + "-"


class Node(FirewallOptions):
    """A host that runs Asterisk and its firewall.

    How its Asterisk and its agent are reached is known only to the processes on the node itself
    (``DDIWEB_AMI_*``, ``DDIWEB_REALTIME_URL``, ``DDIWEB_AGENT_SOCKET``), never to this table.
    """

    slug = models.CharField(
        "short name",
        max_length=32,
        unique=True,
        validators=[validators.slug],
        help_text="Small letters, digits and hyphens. The worker on the node carries the same "
        "name in DDIWEB_NODE; it can't be changed later.",
    )
    name = models.CharField(
        max_length=80,
        validators=[validators.plain_text],
        help_text="What people call this server.",
    )
    realm = models.CharField(
        "SIP realm",
        max_length=63,
        default="ddiweb",
        validators=[validators.hostname, validators.no_token],
        help_text="Part of every stored password hash: choose it once, before the first peer.",
    )
    public_ipv4 = models.GenericIPAddressField(
        "public IPv4 address",
        protocol="IPv4",
        null=True,
        blank=True,
        help_text="The address that phones and vendors reach.",
    )
    public_ipv6 = models.GenericIPAddressField(
        "public IPv6 address", protocol="IPv6", null=True, blank=True
    )
    sip_port = models.PositiveIntegerField(
        "SIP port", default=5060, validators=[MinValueValidator(1024), MaxValueValidator(65535)]
    )
    rtp_first = models.PositiveIntegerField(
        "first RTP port",
        default=10000,
        validators=[MinValueValidator(1024), MaxValueValidator(65535)],
    )
    rtp_last = models.PositiveIntegerField(
        "last RTP port",
        default=20000,
        validators=[MinValueValidator(1024), MaxValueValidator(65535)],
        help_text="Audio uses these UDP ports; two or four a call.",
    )
    site_prefix = models.CharField(
        max_length=13,
        unique=True,
        default=new_site_prefix,
        editable=False,
        validators=[validators.Pattern(r"ddi-[a-z2-7]{8}-", "it is made by ddiweb")],
    )
    dry_run = models.BooleanField(
        "dry run",
        default=False,
        help_text="Show the rows and rules, and touch nothing.",
    )

    #: Where Asterisk listens, as far as is known: other ports are in force when it is restarted.
    sip_port_served = models.PositiveIntegerField(null=True, editable=False)
    rtp_first_served = models.PositiveIntegerField(null=True, editable=False)
    rtp_last_served = models.PositiveIntegerField(null=True, editable=False)
    iax_port_served = models.PositiveIntegerField(null=True, editable=False)
    #: What else waits for a restart, as the node's watch found it; one sentence each.
    restart_notes = models.JSONField(default=list, editable=False)
    next_mark = models.PositiveIntegerField(default=1, editable=False)
    generation = models.PositiveBigIntegerField(default=0, editable=False)
    applied_generation = models.PositiveBigIntegerField(default=0, editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    # One lease a node; the fence only grows, and each target refuses a lower one.
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    lease_holder = models.CharField(max_length=120, default="", editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    last_started_at = models.DateTimeField(null=True, editable=False)

    history = HistoricalRecords(
        excluded_fields=[
            "sip_port_served",
            "rtp_first_served",
            "rtp_last_served",
            "iax_port_served",
            "restart_notes",
            "next_mark",
            "generation",
            "applied_generation",
            "applied_at",
            "checked_at",
            "fence",
            "lease_holder",
            "lease_until",
            "last_started_at",
            "site_prefix",
        ]
    )

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(slug__regex=r"\A[a-z][a-z0-9-]{0,31}\Z"), name="node_slug_form"
            ),
            models.CheckConstraint(
                condition=Q(rtp_first__gte=1024, rtp_last__lte=65535, rtp_first__lt=F("rtp_last")),
                name="node_rtp_range",
                violation_error_message="The last RTP port must be higher than the first.",
            ),
            models.CheckConstraint(
                condition=Q(sip_port__gte=1024, sip_port__lte=65535)
                & (Q(sip_port__lt=F("rtp_first")) | Q(sip_port__gt=F("rtp_last"))),
                name="node_sip_port",
                violation_error_message="The SIP port must lie outside the RTP range.",
            ),
            models.CheckConstraint(
                condition=Q(site_prefix__regex=r"\Addi-[a-z2-7]{8}-\Z"), name="node_site_prefix"
            ),
            *CONSTRAINTS,
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that only the worker on this node consumes."""
        return f"node-{self.slug}"

    @property
    def open_sip_port(self) -> int:
        """The port that rules let phones reach: where Asterisk listens, as far as is known."""
        return self.sip_port_served or self.sip_port

    @property
    def open_rtp_ports(self) -> tuple[int, int]:
        """The UDP ports of calls that are up, and of the next one."""
        first, last = self.rtp_first_served, self.rtp_last_served
        return (first, last) if first and last else (self.rtp_first, self.rtp_last)

    @property
    def open_iax_port(self) -> int:
        """Where IAX2 phones get in; 0: nowhere, at once."""
        return (self.iax_port_served or self.iax_port) if self.iax_port else 0

    @property
    def owed_to_restart(self) -> list[str]:
        """What waits for a restart of Asterisk, a sentence each."""
        found = []
        if self.open_sip_port != self.sip_port:
            found.append(
                f"SIP port {self.sip_port} waits for a restart of Asterisk, which listens on "
                f"{self.open_sip_port}"
            )
        first, last = self.open_rtp_ports
        if (first, last) != (self.rtp_first, self.rtp_last):
            found.append(
                f"RTP ports {self.rtp_first} to {self.rtp_last} wait for a restart of Asterisk, "
                f"which uses {first} to {last}"
            )
        if self.open_iax_port != self.iax_port:
            found.append(
                f"IAX2 port {self.iax_port} waits for a restart of Asterisk, which listens on "
                f"{self.open_iax_port}"
            )
        return [*found, *self.restart_notes]

    @property
    def restart_owed(self) -> str:
        """The same as one text; empty if nothing waits."""
        return "; ".join(self.owed_to_restart)

    @property
    def converged(self) -> bool:
        """Whether the newest generation is in force."""
        return self.applied_generation >= self.generation


class Deployment(models.Model):
    """One run of the pipeline on one node: who, why, what would change, what came of it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="deployments")
    generation = models.PositiveBigIntegerField()
    state = models.CharField(
        max_length=12, default=State.PENDING, choices=[(s.value, s.value) for s in State]
    )
    reason = models.CharField(max_length=200)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    urgent = models.BooleanField(default=False)
    dry_run = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    enqueued_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    edits = models.PositiveIntegerField(default=1)
    fence = models.PositiveBigIntegerField(default=0)
    plan = models.JSONField(default=dict, help_text="Target name → redacted difference lines.")
    log = models.JSONField(default=list)
    drift = models.JSONField(
        default=dict,
        help_text="What somebody else had changed, if that is why: at, by, words, seen (target name"
        " → redacted lines).",
    )
    error = models.TextField(blank=True, default="")
    #: The address that asked, if it was a browser or an API client: it must still get in after.
    requested_from = models.GenericIPAddressField(null=True)
    #: What could lock the administrator out and so was only tried, in plain words.
    trial = models.JSONField(default=list)
    confirm_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in State]), name="deployment_state"
            ),
            models.UniqueConstraint(
                fields=["node"], condition=Q(state="pending"), name="one_pending_a_node"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | Q(finished_at__isnull=False),
                name="deployment_done_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def meaning(self) -> str:
        """The state in a sentence."""
        return MEANING[State(self.state)]

    @property
    def running(self) -> bool:
        """Whether a worker is at it."""
        return State(self.state) in RUNNING

    @property
    def finished(self) -> bool:
        """Whether nothing more will come of it."""
        return State(self.state) in FINISHED

    @property
    def confirming(self) -> bool:
        """Whether a trial runs."""
        return self.state == State.CONFIRMING

    @property
    def held(self) -> bool:
        """Whether it ended without what could lock the administrator out."""
        return self.state == State.ROLLED_BACK and bool(self.trial)

    @property
    def changed_something(self) -> bool:
        """Whether its plan held any line."""
        return any((self.plan or {}).values())

    @property
    def seconds(self) -> float | None:
        """How long it ran, in seconds, or None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
