"""What may be chosen for a node's firewall beyond its ports; all of it is off at first."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from ddiweb import validators

_COUNTRY = re.compile(r"[A-Z]{2}")


def country_codes(value: Any) -> None:
    """Refuse anything but a list of distinct ISO 3166-1 alpha-2 codes in capitals."""
    if not isinstance(value, list) or not all(
        isinstance(code, str) and _COUNTRY.fullmatch(code) for code in value
    ):
        raise ValidationError(
            'is not a list of country codes; write two capital letters each, such as ["GB", "FR"]',
            code="countries",
        )
    if len(set(value)) != len(value):
        raise ValidationError("names a country twice; name each once", code="countries_twice")


class FirewallOptions(models.Model):
    """The columns of a node that only its firewall looks at."""

    tls_port = models.PositiveIntegerField(
        "SIP over TLS port",
        default=0,
        validators=[MaxValueValidator(65535)],
        help_text="0: no SIP over TLS. 5061 is usual. A phone shows its token in the server name "
        "that it asks for, which anybody on its way can read.",
    )
    allow_tcp = models.BooleanField(
        "SIP over TCP",
        default=False,
        help_text="Phones may use SIP over TCP too. The port then answers a scan as open, though "
        "nothing reaches Asterisk before a token was shown.",
    )
    sip_domain = models.CharField(
        "host name for TLS",
        max_length=200,
        blank=True,
        default="",
        validators=[validators.hostname],
        help_text="Phones with TLS call the node TOKEN.this-name: every name below it must lead "
        "to the node (a wildcard record in DNS).",
    )
    iax_port = models.PositiveIntegerField(
        "IAX2 port",
        default=0,
        validators=[MaxValueValidator(65535)],
        help_text="0: no IAX2. 4569 is usual. A phone shows its token as its username in IAX2's "
        "own fields; nothing else reaches the port, also not from vendors. Asterisk loads IAX2 "
        "only while a phone uses it.",
    )
    throttle = models.BooleanField(
        "classic throttle",
        default=False,
        help_text="Drops an address that sends 10 packets with a token within 15 seconds, until "
        "it is quiet for 15 seconds. Warning: phones behind one shared address (an office, a "
        "mobile carrier) lock each other out, and a phone that keeps trying never gets in.",
    )
    open_rtp = models.BooleanField(
        "audio ports open to all",
        default=False,
        help_text="Audio from addresses that showed no token. Warning: strangers reach Asterisk "
        "on these ports, and a flood can fill the table of connections.",
    )
    countries = models.JSONField(
        default=list,
        blank=True,
        validators=[country_codes],
        help_text="New phones only from these countries, as two letters each (GB). Empty: from "
        "everywhere. Warning: phones abroad are locked out, and lists of addresses are never "
        "quite right; the agent needs a file of them (tor-geoipdb).",
    )
    ban_failures = models.PositiveIntegerField(
        "failures before a ban",
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="So many wrong passwords or unknown users from one address ban it.",
    )
    ban_window = models.PositiveIntegerField(
        "failures count for (seconds)",
        default=600,
        validators=[MinValueValidator(10), MaxValueValidator(86_400)],
    )
    ban_seconds = models.PositiveIntegerField(
        "a ban lasts (seconds)",
        default=3600,
        validators=[MinValueValidator(60), MaxValueValidator(2_000_000)],
    )
    ban_online = models.BooleanField(
        "ban an address though a phone is online there",
        default=False,
        help_text="Warning: one mistyped password can then silence all phones of an office or of "
        "a carrier's shared address.",
    )
    trial_seconds = models.PositiveIntegerField(
        "trial lasts (seconds)",
        default=60,
        validators=[MinValueValidator(30), MaxValueValidator(300)],
        help_text="A change that could lock you out is taken back after this time, unless it is "
        "confirmed over a new connection.",
    )

    class Meta:
        abstract = True


#: The names of these columns.
OPTIONS = tuple(field.name for field in FirewallOptions._meta.fields)
#: The database refuses what the forms refuse; an abstract model's own list would be replaced.
CONSTRAINTS = (
    models.CheckConstraint(
        condition=Q(tls_port=0)
        | Q(tls_port__gte=1024, tls_port__lte=65535)
        & (Q(tls_port__lt=F("sip_port")) | Q(tls_port__gt=F("sip_port"))),
        name="node_tls_port",
        violation_error_message="The TLS port must be 0, or 1024 to 65535 and not the SIP port.",
    ),
    models.CheckConstraint(
        condition=Q(iax_port=0)
        | Q(iax_port__gte=1024, iax_port__lte=65535)
        & (Q(iax_port__lt=F("sip_port")) | Q(iax_port__gt=F("sip_port")))
        & (Q(iax_port__lt=F("rtp_first")) | Q(iax_port__gt=F("rtp_last"))),
        name="node_iax_port",
        violation_error_message="The IAX2 port must be 0, or 1024 to 65535 and neither the SIP "
        "port nor an RTP port.",
    ),
    models.CheckConstraint(
        condition=Q(ban_failures__gte=1, ban_failures__lte=1000)
        & Q(ban_window__gte=10, ban_window__lte=86_400)
        & Q(ban_seconds__gte=60, ban_seconds__lte=2_000_000),
        name="node_ban_thresholds",
    ),
    models.CheckConstraint(
        condition=Q(trial_seconds__gte=30, trial_seconds__lte=300), name="node_trial_seconds"
    ),
)
