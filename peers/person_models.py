"""Person and StepPerson: somebody with several phones, who is rung as one."""

from typing import ClassVar

from django.db import models
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from peers.route_models import Rung, Step


class Person(models.Model):
    """Somebody with phones on a node; a step that rings him rings all of them together."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="persons")
    name = models.CharField(
        max_length=80,
        validators=[validators.realtime_text],
        help_text="Whose phones these are, such as “Ada Lovelace”.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "name"], name="person_once_a_node"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """The name by which the renderer knows it; Asterisk never sees it."""
        return f"person_{self.pk}"


class StepPerson(Rung):
    """A person of a ring step."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="person_places")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="places")

    class Meta(Rung.Meta):
        unique_together: ClassVar = [("step", "person")]

    def __str__(self) -> str:
        # What a refused deletion of the person shows.
        return f"number {self.step.number}, step {self.step.position}"

    @property
    def target(self) -> Person:
        """Who is rung, as of ``StepPeer``."""
        return self.person
