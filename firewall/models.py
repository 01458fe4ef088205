"""Who may manage the node, and what else it lets in. Vendors' networks stand with their trunks."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import NetworkField
from firewall.ruleset.types import MAX_NETWORKS, MAX_SERVICES


class ManagementNetwork(models.Model):
    """Addresses that reach the node's management ports, besides those built into its agent.

    The built-in ones stand in the agent's own configuration on the node: no row here, and no
    mistake in one, can shut them out.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="management_networks")
    cidr = NetworkField(
        "network", help_text="From where administrators come, such as 198.51.100.0/28."
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["cidr"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "cidr"], name="management_once_a_node"),
            models.CheckConstraint(
                condition=Q(cidr__regex=r"\A[0-9a-f.:]{2,39}/[0-9]{1,3}\Z"),
                name="management_network_form",
            ),
        ]

    def __str__(self) -> str:
        return self.cidr

    def clean(self) -> None:
        """Refuse more networks than the agent takes: it would refuse all rules with them."""
        others = ManagementNetwork.objects.filter(node=self.node_id).exclude(pk=self.pk)
        if others.count() >= MAX_NETWORKS:
            raise ValidationError(
                f"This node has {MAX_NETWORKS} management networks already: write fewer, wider "
                "ones.",
                code="too_many_networks",
            )


class AllowedService(models.Model):
    """Another service of the host that its firewall lets in, such as a web server."""

    PROTOCOLS: ClassVar = [("tcp", "TCP"), ("udp", "UDP")]

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="allowed_services")
    protocol = models.CharField(max_length=3, choices=PROTOCOLS, default="tcp")
    first = models.PositiveIntegerField(
        "first port", validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    last = models.PositiveIntegerField(
        "last port",
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="The same as the first for a single port.",
    )
    network = NetworkField(
        blank=True,
        default="",
        help_text="Who may use it, such as 198.51.100.0/24. Warning: empty means everybody.",
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])
    expires_at = models.DateTimeField(
        "until", null=True, blank=True, help_text="Empty: until it is deleted."
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["protocol", "first", "last", "network"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["node", "protocol", "first", "last", "network"],
                name="service_once_a_node",
            ),
            models.CheckConstraint(
                condition=Q(protocol__in=["tcp", "udp"])
                & Q(first__gte=1, last__lte=65535, first__lte=F("last")),
                name="service_ports",
                violation_error_message="The last port must not be lower than the first.",
            ),
            models.CheckConstraint(
                condition=Q(network="") | Q(network__regex=r"\A[0-9a-f.:]{2,39}/[0-9]{1,3}\Z"),
                name="service_network_form",
            ),
        ]

    def __str__(self) -> str:
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {span} from {self.network or 'everywhere'}"

    def clean(self) -> None:
        """Refuse ports with rules of their own, and more services than the agent takes."""
        node = Node.objects.filter(pk=self.node_id).first()
        if node is None or self.first is None or self.last is None:
            return
        taken = [(node.sip_port, node.sip_port), (node.rtp_first, node.rtp_last)]
        taken.append((node.iax_port, node.iax_port))
        if self.protocol == "tcp":
            taken = [(node.sip_port, node.sip_port), (node.tls_port, node.tls_port)]
        if any(self.first <= last and first <= self.last for first, last in taken):
            raise ValidationError(
                "These ports hold SIP, IAX2 or audio and have rules of their own: choose others.",
                code="ports_taken",
            )
        others = AllowedService.objects.filter(node=node).exclude(pk=self.pk)
        if others.count() >= MAX_SERVICES:
            raise ValidationError(
                f"This node has {MAX_SERVICES} services already: join ports into ranges.",
                code="too_many_services",
            )


class AddressException(models.Model):
    """A network that may send SIP and audio without a token, such as an office with desk phones."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="address_exceptions")
    cidr = NetworkField(
        "network",
        help_text="Such as 198.51.100.7/32. Warning: everybody there reaches Asterisk and can "
        "guess passwords; a ban does not stop them.",
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])
    expires_at = models.DateTimeField(
        "until", null=True, blank=True, help_text="Empty: until it is deleted."
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["cidr"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "cidr"], name="exception_once_a_node"),
            models.CheckConstraint(
                condition=Q(cidr__regex=r"\A[0-9a-f.:]{2,39}/[0-9]{1,3}\Z"),
                name="exception_network_form",
            ),
        ]

    def __str__(self) -> str:
        return self.cidr

    def clean(self) -> None:
        """Refuse more networks than the agent takes: it would refuse all rules with them."""
        others = AddressException.objects.filter(node=self.node_id).exclude(pk=self.pk)
        if others.count() >= MAX_NETWORKS:
            raise ValidationError(
                f"This node has {MAX_NETWORKS} exceptions already: write fewer, wider ones.",
                code="too_many_networks",
            )


from firewall.ban_models import Ban  # noqa: E402 - they need nothing of the above
from firewall.question_model import Question  # noqa: E402
from firewall.traffic_models import TrafficReading, TrafficSample  # noqa: E402

__all__ = [
    "AddressException",
    "AllowedService",
    "Ban",
    "ManagementNetwork",
    "Question",
    "TrafficReading",
    "TrafficSample",
]
