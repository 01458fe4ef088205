"""A person's word that Asterisk may be restarted. A row, so that no restart of ours forgets it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from ddiweb.deploy.models import Node


class Restart(models.Model):
    """A restart of a node's Asterisk that somebody asked for; at most one is open."""

    class How(models.TextChoices):
        """When it may be."""

        QUIET = "quiet", "when no call is up"
        NOW = "now", "now, whatever is up"

    class State(models.TextChoices):
        """``waiting → asked → done``; ``cancelling → cancelled`` if it was taken back in time."""

        WAITING = "waiting", "waits for the node's watch"
        ASKED = "asked", "Asterisk was told"
        CANCELLING = "cancelling", "is being taken back"
        CANCELLED = "cancelled", "was taken back"
        DONE = "done", "done"

    OPEN: ClassVar = (State.WAITING, State.ASKED, State.CANCELLING)

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="restarts")
    how = models.CharField(max_length=5, choices=How.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    why = models.JSONField(default=list, help_text="What waited for it, a sentence each.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    asked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: When the Asterisk that is to end was started, by its own clock (Unix seconds).
    started_before = models.BigIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["node"],
                condition=Q(state__in=["waiting", "asked", "cancelling"]),
                name="one_open_restart_a_node",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "asked", "cancelling", "cancelled", "done"])
                & Q(how__in=["quiet", "now"]),
                name="restart_words",
            ),
        ]

    def __str__(self) -> str:
        return f"restart of {self.node}: {self.get_state_display()}"

    @property
    def open(self) -> bool:
        """Whether something is still to come of it."""
        return self.state in self.OPEN
