"""Who may manage the node. Vendors' networks stand with their trunks."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import NetworkField
from firewall.ruleset.types import MAX_NETWORKS


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
