"""Token: the secret string that a phone shows, and where it stands in its life."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.choices import TokenState


class Token(models.Model):
    """The secret string that lets a peer's packets through.

    ``issued`` (accepted, not seen yet) → ``current`` (seen) → ``retiring`` (a newer one is
    current; accepted until its grace ends) → ``revoked`` (its flows are cut). A compromise goes
    to ``revoked`` at once. A revoked token outlives its peer until its flows are proved cut.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="tokens")
    peer = models.ForeignKey(
        "peers.Peer", null=True, blank=True, on_delete=models.SET_NULL, related_name="tokens"
    )
    mark = models.PositiveIntegerField(help_text="Low 20 bits of the kernel's connection mark.")
    value = EncryptedTextField(blank=True)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=24)
    state = models.CharField(max_length=10, choices=TokenState.choices, default=TokenState.ISSUED)
    issued_at = models.DateTimeField(auto_now_add=True)
    current_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    grace_until = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    cut_at = models.DateTimeField(null=True, blank=True)
    cut_generation = models.PositiveBigIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True)
    # Where the SIP username carries the token, each one is an account (peers/passwords.py).
    hashes = EncryptedTextField(default="", blank=True, editable=False)
    in_force = models.BooleanField(
        default=False, editable=False, help_text="The node's rules let it in."
    )
    # What the kernel counted of it at the last look, and when that last rose.
    packets = models.PositiveBigIntegerField(default=0, editable=False)
    heard_at = models.DateTimeField(null=True, editable=False)
    mark_given_back = models.BooleanField(
        default=False, editable=False, help_text="A newer token of the node has this mark now."
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["node", "cut_at"],
                condition=Q(mark_given_back=False, cut_generation__isnull=False),
                name="marks_that_rest",
            ),
            # What the quick lane asks for at every deployment: rows that are few or none.
            models.Index(
                fields=["node"],
                condition=Q(state="issued", in_force=False),
                name="tokens_not_in_force_yet",
            ),
            models.Index(
                fields=["node"],
                condition=Q(state="revoked", cut_at__isnull=True),
                name="tokens_not_cut_yet",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["node", "mark"],
                condition=Q(mark_given_back=False),
                name="mark_once_a_node",
            ),
            models.CheckConstraint(
                condition=Q(mark_given_back=False)
                | Q(state="revoked", cut_generation__isnull=False),
                name="mark_given_back_was_cut",
            ),
            models.CheckConstraint(
                condition=Q(mark__gte=1, mark__lt=2**20), name="mark_fits_the_connmark"
            ),
            models.CheckConstraint(condition=Q(state__in=TokenState.values), name="token_state"),
            models.CheckConstraint(
                condition=Q(peer__isnull=False) | Q(state="revoked"),
                name="token_without_peer_is_revoked",
            ),
            models.CheckConstraint(
                condition=~Q(state="revoked") | Q(revoked_at__isnull=False),
                name="revoked_token_says_when",
            ),
        ]

    def __str__(self) -> str:
        return self.hint
