"""Trunk: a vendor's SIP service on a node."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.choices import (
    CallerHeader,
    DdiHeader,
    Dtmf,
    NumberIn,
    NumberOut,
    TrunkTransport,
)
from peers.defaults import trunk_codecs
from peers.validators import known_codecs


class TrunkHabits(models.Model):
    """How a vendor writes numbers and callers, and how signalling and audio travel."""

    transport = models.CharField(
        max_length=4,
        choices=TrunkTransport.choices,
        default=TrunkTransport.UDP,
        help_text="TLS needs a TLS port on the node. A certificate that is not the host's own, or "
        "not of an authority that this server trusts, ends the connection.",
    )
    srtp = models.BooleanField(
        "encrypted audio",
        default=False,
        help_text="SRTP with its keys in the signalling, so it needs TLS. Calls without are "
        "refused, in both directions.",
    )
    proxy = models.CharField(
        "outbound proxy",
        max_length=253,
        blank=True,
        validators=[validators.hostname],
        help_text="Only if the vendor names one: everything to it goes by way of this host.",
    )
    proxy_port = models.PositiveIntegerField(
        default=5060, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    from_domain = models.CharField(
        "domain in From",
        max_length=253,
        blank=True,
        validators=[validators.hostname],
        help_text="Only if the vendor asks for its own domain there. Blank: this server's address.",
    )
    dtmf = models.CharField("DTMF", max_length=8, choices=Dtmf.choices, default=Dtmf.RFC4733)
    caller_in = models.CharField(
        "caller taken from",
        max_length=9,
        choices=CallerHeader.choices,
        default=CallerHeader.PAI,
        help_text="Where the vendor writes a number that it vouches for. Where that is missing, "
        "From is taken, which the caller may have made up.",
    )
    caller_out = models.CharField(
        "caller sent in",
        max_length=9,
        choices=CallerHeader.choices,
        default=CallerHeader.FROM,
        help_text="P-Asserted-Identity or Remote-Party-ID for a vendor that wants the account's "
        "name in From. Diversion: the number stands in From and there.",
    )
    number_in = models.CharField(
        "numbers come as", max_length=8, choices=NumberIn.choices, default=NumberIn.E164
    )
    number_out = models.CharField(
        "numbers are sent as", max_length=13, choices=NumberOut.choices, default=NumberOut.PLUS
    )
    prefix_in = models.CharField(
        "prefix of calls that come",
        max_length=12,
        blank=True,
        validators=[validators.Pattern("[0-9]{1,12}", "write at most 12 digits")],
        help_text="Digits that the vendor puts before the DDI; they are taken off.",
    )
    prefix_out = models.CharField(
        "prefix of calls that go",
        max_length=12,
        blank=True,
        validators=[validators.Pattern("[0-9*#]{1,12}", "write at most 12 of 0-9, * and #")],
        help_text="Digits that the vendor wants before each number.",
    )
    national_prefix = models.CharField(
        max_length=3,
        blank=True,
        default="0",
        validators=[validators.Pattern("[0-9]{1,3}", "write at most 3 digits, such as 0")],
        help_text="What stands before a national number: 0 in most countries, 1 in North America, "
        "nothing in Italy.",
    )
    international_prefix = models.CharField(
        max_length=4,
        blank=True,
        default="00",
        validators=[validators.Pattern("0[0-9]{1,3}", "write 2 to 4 digits, 0 first")],
        help_text="What stands before a country code: 00 in most countries, 011 in North America.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Refuse what does not go together, by the field's name. Raises ValidationError."""
        faults = {}
        if self.srtp and self.transport != TrunkTransport.TLS:
            faults["srtp"] = "Encrypted audio needs TLS: without, its keys could be read on the way"
        national = "national" in (self.number_in, self.number_out)
        if national and not getattr(self, "country", ""):
            faults["country"] = "National numbers need the country code"
        if faults:
            raise ValidationError(faults)


class Trunk(TrunkHabits):
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
        help_text="Where to register and where calls go, such as sip.example.net. Not needed if "
        "it only brings calls.",
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
        help_text="Ask the vendor's hosts every 20 seconds whether they are there. A host that is "
        "silent is said to be down, and calls go to the next one.",
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
        help_text="For a vendor that writes national numbers: with 44, 020… is taken for +44 20…. "
        "Blank: numbers have their country code.",
    )
    channels_max = models.PositiveIntegerField(
        "calls at once",
        default=0,
        validators=[MaxValueValidator(100_000)],
        help_text="Both directions count. Further callers hear busy, and calls out take the next "
        "trunk. 0: no limit here.",
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
            models.CheckConstraint(
                condition=Q(srtp=False) | Q(transport=TrunkTransport.TLS),
                name="trunk_srtp_needs_tls",
            ),
            models.CheckConstraint(
                condition=~Q(country="")
                | (~Q(number_in=NumberIn.NATIONAL) & ~Q(number_out=NumberOut.NATIONAL)),
                name="trunk_national_needs_country",
            ),
            models.CheckConstraint(
                condition=Q(transport__in=TrunkTransport.values, dtmf__in=Dtmf.values)
                & Q(caller_in__in=CallerHeader.values, caller_out__in=CallerHeader.values)
                & Q(number_in__in=NumberIn.values, number_out__in=NumberOut.values),
                name="trunk_habits_known",
            ),
            models.CheckConstraint(
                condition=Q(prefix_in__regex=r"\A[0-9]{0,12}\Z")
                & Q(prefix_out__regex=r"\A[0-9*#]{0,12}\Z")
                & Q(national_prefix__regex=r"\A[0-9]{0,3}\Z")
                & Q(international_prefix__regex=r"\A(0[0-9]{1,3})?\Z")
                & Q(proxy_port__gte=1, proxy_port__lte=65535),
                name="trunk_prefixes_form",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in Asterisk: letters, digits and underscores only."""
        return f"trunk_{self.pk}"


class TrunkServer(models.Model):
    """A further host of a vendor, for when the first is down, or to share the calls with it."""

    trunk = models.ForeignKey(Trunk, on_delete=models.CASCADE, related_name="servers")
    host = models.CharField(
        max_length=253, validators=[validators.hostname], help_text="A name or an address."
    )
    port = models.PositiveIntegerField(
        default=5060, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    priority = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(9)],
        help_text="0: shares the calls with the vendor's host. 1 to 9: tried after it, low first.",
    )

    class Meta:
        ordering: ClassVar = ["priority", "host", "port"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trunk", "host", "port"], name="server_once_a_trunk"),
            models.CheckConstraint(
                condition=Q(port__gte=1, port__lte=65535, priority__lte=9),
                name="trunk_server_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
