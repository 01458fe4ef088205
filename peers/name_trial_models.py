"""NameTrial: a person's question to the outside service of a node, answered by its watch."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from peers.name_lookup_models import NameLookup


class NameTrial(models.Model):
    """One number that somebody had looked up to see whether it works."""

    lookup = models.ForeignKey(NameLookup, on_delete=models.CASCADE, related_name="trials")
    number = models.CharField(max_length=16, help_text="E.164.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    #: Set by the watch before it asks: no number is told to the service twice.
    taken_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    name = models.CharField(max_length=80, blank=True)
    fault = models.CharField(max_length=200, blank=True)
    milliseconds = models.PositiveIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number} at {self.lookup}"
