"""CallerRule: who may ring a number, by the digits of the caller."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node


class CallerRule(models.Model):
    """Callers whose number begins with ``prefix`` are turned away, or let through all the same."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="caller_rules")
    number = models.ForeignKey(
        "peers.Number",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="caller_rules",
        help_text="Blank: every number of the node.",
    )
    prefix = models.CharField(
        "caller",
        max_length=64,
        validators=[
            validators.Pattern(
                r"\+[1-9][0-9]{0,14}",
                "write a whole number or its beginning with the country code, such as "
                "+441632960555, or +44 for everybody there",
            )
        ],
        help_text="A number in E.164, or its beginning: +44 is every caller in the United Kingdom. "
        "The longest that fits decides. A caller's number can be false: this spares annoyance, it "
        "proves nobody.",
    )
    allow = models.BooleanField(
        default=False,
        help_text="On: let through, against a shorter rule or on a number for listed callers.",
    )
    note = models.CharField(max_length=120, blank=True, validators=[validators.plain_text])
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["prefix", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["number", "prefix"], name="caller_once_a_number",
                condition=Q(number__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["node", "prefix"], name="caller_once_a_node",
                condition=Q(number__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(prefix__regex=r"\A\+[1-9][0-9]{0,14}\Z"), name="caller_prefix_form"
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.prefix} {'allowed' if self.allow else 'blocked'}"

    @property
    def digits(self) -> str:
        """The prefix without its plus, as the dialplan looks it up."""
        return self.prefix.removeprefix("+")

    def clean(self) -> None:
        """A rule of one number stands on that number's node, and says each caller once."""
        if self.number is not None and self.number.trunk.node_id != self.node_id:
            text = "is on another node; choose a number of this rule's node"
            raise ValidationError({"number": ValidationError(text, code="number_of_another_node")})
        same = CallerRule.objects.filter(
            node_id=self.node_id, number=self.number, prefix=self.prefix
        )
        if same.exclude(pk=self.pk).exists():
            text = "has a rule here already; change that one"
            raise ValidationError({"prefix": ValidationError(text, code="caller_has_a_rule")})
