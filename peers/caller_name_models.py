"""CallerName: what phones show for a caller's number."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node


class CallerName(models.Model):
    """A name in the node's own directory."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="caller_names")
    e164 = models.CharField(
        "number",
        max_length=16,
        validators=[validators.e164],
        help_text="The caller's number in E.164, such as +441632960555. A caller's number can be "
        "false: a name proves nobody.",
    )
    name = models.CharField(
        max_length=60,
        validators=[validators.realtime_text],
        help_text="Shown on phones in place of what the vendor says.",
    )
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name", "e164"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "e164"], name="caller_name_once_a_node"),
            models.CheckConstraint(
                condition=Q(e164__regex=r"\A\+[1-9][0-9]{6,14}\Z"), name="caller_name_is_e164"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.e164})"
