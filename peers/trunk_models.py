"""Trunk: a vendor's SIP service on a node."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.choices import DdiHeader
from peers.defaults import trunk_codecs
from peers.validators import known_codecs


class Trunk(models.Model):
    """A vendor's SIP service on a node: from where its calls come, and how it is registered."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="trunks")
    name = models.CharField(
        max_length=80,
        validators=[validators.realtime_text],
        help_text="What you call this vendor's service, such as “Vendor London”.",
    )
    enabled = models.BooleanField(
        default=True, help_text="Off: its networks are shut out and its numbers are not reached."
    )
    register = models.BooleanField(
        "register with the vendor",
        default=False,
        help_text="On for vendors that send calls only to a server that has registered.",
    )
    host = models.CharField(
        "vendor's host",
        max_length=253,
        blank=True,
        validators=[validators.hostname],
        help_text="Where to register, such as sip.example.net. Not needed otherwise.",
    )
    port = models.PositiveIntegerField(
        "vendor's port", default=5060, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    username = models.CharField(
        max_length=64,
        blank=True,
        validators=[validators.vendor_username],
        help_text="The account name that the vendor gave you. Not needed without registration.",
    )
    password = EncryptedTextField(blank=True, validators=[validators.vendor_password])
    codecs = models.JSONField(default=trunk_codecs, validators=[known_codecs])
    qualify = models.BooleanField(
        "watch the vendor",
        default=True,
        help_text="Ask the vendor's server once a minute whether it is there (needs the host).",
    )
    ddi_header = models.CharField(
        "called number in",
        max_length=8,
        choices=DdiHeader.choices,
        default=DdiHeader.REQUEST,
        help_text="Where the vendor writes the DDI. If calls are refused as unknown numbers, try "
        "the other.",
    )
    country = models.CharField(
        "country code",
        max_length=16,
        blank=True,
        validators=[validators.Pattern(r"[1-9][0-9]{0,2}", "write digits only, such as 44")],
        help_text="For a vendor that sends national numbers: with 44, 020… is taken for +44 20…. "
        "Blank: numbers come with their country code.",
    )
    channels_max = models.PositiveIntegerField(
        "calls at once",
        default=0,
        validators=[MaxValueValidator(100_000)],
        help_text="Further callers hear busy. 0: no limit here.",
    )
    private_allowed = models.BooleanField(
        "private addresses",
        default=False,
        help_text="On only if the vendor is reached over a VPN: its names may then lead to "
        "private addresses, such as 10.1.2.3. Else those are not let in.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(excluded_fields=["password"])

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="trunk_name_once_a_node"),
            models.CheckConstraint(
                condition=Q(register=False) | (~Q(host="") & ~Q(username="")),
                name="trunk_registration_is_whole",
                violation_error_message="To register, a host and a username are needed.",
            ),
            models.CheckConstraint(
                condition=Q(port__gte=1, port__lte=65535), name="trunk_port_range"
            ),
            models.CheckConstraint(
                condition=Q(ddi_header__in=DdiHeader.values), name="trunk_ddi_header"
            ),
            models.CheckConstraint(
                condition=Q(country__regex=r"\A([1-9][0-9]{0,2})?\Z"), name="trunk_country_form"
            ),
            models.CheckConstraint(
                condition=Q(channels_max__lte=100_000), name="trunk_channels_max"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk: letters, digits and underscores only."""
        return f"trunk_{self.pk}"
