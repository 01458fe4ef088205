"""Trunk, Number, Step, Peer and Token: what a person stores, in the field's own words."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from peers.caller_models import CallerRule
from peers.caller_name_models import CallerName
from peers.choices import Carrier
from peers.connection_models import CONSTRAINTS, SECRETS, Connection
from peers.defaults import default_codecs
from peers.leak_models import TokenLeak
from peers.name_lookup_models import NameLookup
from peers.name_trial_models import NameTrial
from peers.outgoing_models import OutgoingPolicy, OutgoingPrefix, OutgoingTrunk
from peers.person_models import Person, StepPerson
from peers.route_models import Number, Step, StepPeer
from peers.schedule_models import Schedule, ScheduleTime
from peers.sound_models import Sound
from peers.tls_models import Authority, NodeCertificate, ProvisioningLink
from peers.token_models import Token
from peers.toll_models import Rate, TollAlarm, TrunkToll
from peers.trunk_models import Trunk, TrunkServer
from peers.validators import known_codecs
from peers.vendor_models import TrunkAddress, TrunkHost, TrunkNetwork
from peers.voicemail_models import Mailbox, VoiceMessage

__all__ = [
    "Authority", "CallerName", "CallerRule", "Mailbox", "NameLookup", "NameTrial",
    "NodeCertificate", "Number", "OutgoingPolicy", "OutgoingPrefix", "OutgoingTrunk", "Peer",
    "Person", "ProvisioningLink", "Rate", "Schedule", "ScheduleTime", "Sound", "Step",
    "StepPeer", "StepPerson", "Token", "TokenLeak", "TollAlarm", "Trunk", "TrunkAddress",
    "TrunkHost", "TrunkNetwork", "TrunkServer", "TrunkToll", "VoiceMessage",
]  # fmt: skip


class Peer(Connection):
    """One SIP app on one device."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="peers")
    name = models.CharField(
        max_length=80,
        validators=[validators.realtime_text],
        help_text="Whose phone this is, such as “Ada mobile”. Shown on calls.",
    )
    person = models.ForeignKey(
        Person,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="phones",
        help_text="Whose phone this is, if somebody has several that ring together.",
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
    strict_names = models.BooleanField(
        "this app checks names strictly",
        default=False,
        help_text="Only with TLS, for apps that refuse wildcard certificates (those built on "
        "PJSIP, such as MicroSIP, when they verify). Its server name, which holds its token, then "
        "stands in the certificate, and every phone with TLS can read it there.",
    )
    outgoing = models.ForeignKey(
        OutgoingPolicy,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="peers",
        verbose_name="outgoing policy",
        help_text="Where this phone may call. Blank: nowhere, not even emergency numbers.",
    )
    caller_number = models.ForeignKey(
        "peers.Number",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="calling_peers",
        verbose_name="caller ID",
        help_text="The DDI that is shown when it calls. Blank: the policy's.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(excluded_fields=list(SECRETS))

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            *CONSTRAINTS,
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

    def clean(self) -> None:
        """Its policy and its caller ID are of its own node. Raises ValidationError."""
        faults = {}
        if self.outgoing is not None and self.outgoing.node_id != self.node_id:
            text = "is on another node; choose a policy of the peer's own node"
            faults["outgoing"] = ValidationError(text, code="other_node")
        number = self.caller_number
        if number is not None and number.trunk.node_id != self.node_id:
            text = "is on another node; choose a DDI of the peer's own node"
            faults["caller_number"] = ValidationError(text, code="other_node")
        if faults:
            raise ValidationError(faults)
