"""Tokens that were shut out because more than one phone seemed to have them."""

from typing import ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q

from ddiweb.deploy.models import Node
from peers.choices import LeakKind
from peers.token_models import Token


class LeakQuery(models.QuerySet["TokenLeak"]):
    """Leaks by whether somebody has dealt with them."""

    def open(self) -> "LeakQuery":
        """Those whose peer was given no newer token since."""
        newer = Token.objects.filter(peer=OuterRef("peer"), issued_at__gt=OuterRef("at"))
        return self.filter(~Exists(newer))


class TokenLeak(models.Model):
    """What was seen of a token that was quarantined. The row stays when the token has gone."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="token_leaks")
    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="leaks")
    token = models.ForeignKey(
        "peers.Token", null=True, on_delete=models.SET_NULL, related_name="leaks"
    )
    hint = models.CharField(max_length=24)
    kind = models.CharField(max_length=10, choices=LeakKind.choices)
    places = models.JSONField(default=list)
    at = models.DateTimeField()

    objects = LeakQuery.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=LeakKind.values), name="leak_kind")
        ]

    def __str__(self) -> str:
        return f"{self.hint}: {self.what}"

    @property
    def what(self) -> str:
        """What was seen, in words."""
        places = ", ".join(self.places[:6])
        more = f" and {len(self.places) - 6} more" if len(self.places) > 6 else ""
        if self.kind == LeakKind.PLACES:
            return f"it was in use in {len(self.places)} places at once: {places}{more}"
        return f"wrong passwords came with it from {places}{more}"
