"""From where a vendor's packets come: networks, names, and the addresses that names led to."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from ddiweb import validators
from ddiweb.fields import NetworkField
from peers.choices import HostKind
from peers.validators import canonical_host, host_name


class HostNameField(models.CharField):
    """A name to look up, in small letters and without the dot at its end."""

    default_validators = [host_name]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 253)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Return the one spelling under which a name is stored."""
        text = super().to_python(value)
        return canonical_host(text) if text else text


class TrunkNetwork(models.Model):
    """Addresses from which a vendor's signalling and audio come."""

    trunk = models.ForeignKey("peers.Trunk", on_delete=models.CASCADE, related_name="networks")
    cidr = NetworkField(
        "network",
        help_text="An address or a CIDR of the vendor, such as 203.0.113.20 or 2001:db8::/48. "
        "Packets from here are let in without a token.",
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])

    class Meta:
        ordering: ClassVar = ["cidr"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trunk", "cidr"], name="network_once_a_trunk"),
            models.CheckConstraint(
                condition=Q(cidr__regex=r"\A[0-9a-f.:]{2,39}/[0-9]{1,3}\Z"),
                name="trunk_network_form",
            ),
        ]

    def __str__(self) -> str:
        return self.cidr


class TrunkHost(models.Model):
    """A name of the vendor that is looked up again and again, with what came of it."""

    trunk = models.ForeignKey("peers.Trunk", on_delete=models.CASCADE, related_name="hosts")
    name = HostNameField(
        help_text="A name such as sip.example.net. It is looked up again and again, and the "
        "addresses that it leads to are let in beside the networks.",
    )
    kind = models.CharField(
        "what to look up",
        max_length=10,
        choices=HostKind.choices,
        default=HostKind.ADDRESS,
        help_text="Servers (SRV) if the vendor names a domain, such as example.net.",
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])
    checked_at = models.DateTimeField(null=True, editable=False)
    next_check_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["name", "kind"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["trunk", "name", "kind"], name="host_once_a_trunk"),
            models.CheckConstraint(
                condition=Q(name__regex=r"\A[a-z0-9.-]{3,253}\Z"), name="trunk_host_form"
            ),
            models.CheckConstraint(condition=Q(kind__in=HostKind.values), name="trunk_host_kind"),
        ]

    def __str__(self) -> str:
        return self.name


class TrunkAddress(models.Model):
    """An address to which a name led. Whether it is let in is told by ``vendor_names.judge``.

    It stays for a grace time after the name led elsewhere: ``gone_since`` and ``expires_at`` are
    set then, and taken back if it returns. An expired one is deleted.
    """

    host = models.ForeignKey(TrunkHost, on_delete=models.CASCADE, related_name="addresses")
    address = models.GenericIPAddressField()
    via = models.CharField(max_length=260, blank=True, help_text="The server and port of an SRV.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    gone_since = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["first_seen", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "address"], name="address_once_a_host"),
            models.CheckConstraint(
                condition=Q(gone_since__isnull=True, expires_at__isnull=True)
                | Q(gone_since__isnull=False, expires_at__isnull=False),
                name="gone_address_expires",
            ),
        ]

    def __str__(self) -> str:
        return str(self.address)
