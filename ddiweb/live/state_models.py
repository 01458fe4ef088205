"""What is so now, by the watch alone: channels that are up, and how vendors' trunks stand."""

from typing import ClassVar

from django.db import models

from ddiweb.deploy.models import Node


class Channel(models.Model):
    """One leg of a call that is up."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="channels")
    unique_id = models.CharField(max_length=64)
    call_id = models.CharField(max_length=64, help_text="The same for all legs of a call.")
    endpoint = models.CharField(
        max_length=64, help_text="The key of a peer or a trunk: peer_7, trunk_3."
    )
    caller = models.CharField(max_length=80, blank=True)
    number = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=20, blank=True)
    talking = models.BooleanField(default=False)
    started_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "unique_id"], name="channel_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.state}"


class TrunkState(models.Model):
    """How a vendor's trunk stands."""

    REGISTRATIONS = (
        ("", "does not register"),
        ("registered", "registered"),
        ("unregistered", "not registered yet"),
        ("rejected", "refused, or not answered"),
        ("stopped", "stopped"),
    )

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="trunk_states")
    endpoint = models.CharField(max_length=64, help_text="The trunk's key: trunk_3.")
    registration = models.CharField(max_length=12, blank=True, choices=REGISTRATIONS)
    answers = models.BooleanField(
        null=True, help_text="Whether it answers OPTIONS; empty: not asked."
    )
    silent_hosts = models.JSONField(
        default=list, blank=True, help_text="Its hosts that do not answer OPTIONS: host:port."
    )
    refusing_hosts = models.JSONField(
        default=list,
        blank=True,
        help_text="Its hosts that refuse the registration, or do not answer it: host:port.",
    )
    round_trip_us = models.PositiveIntegerField(null=True)
    changed_at = models.DateTimeField(help_text="Since when it stands so.")
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["endpoint"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "endpoint"], name="trunk_state_once"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {'down' if self.down else 'up'}"

    @property
    def down(self) -> bool:
        """Whether calls to or from this vendor are not to be expected."""
        return self.answers is False or self.registration in ("rejected", "stopped")

    @property
    def cause(self) -> str:
        """Why it is down, in words; empty if it is not."""
        if self.registration == "stopped":
            return "registration has stopped"
        if self.registration == "rejected" and self.answers:
            return "answers, and refuses the registration: user name or password"
        if self.registration == "rejected" and self.answers is None:
            return "refuses the registration, or does not answer it"
        return "does not answer" if self.down else ""

    @property
    def faults(self) -> str:
        """Which of its hosts are dead and why, in words; empty if none is, or none is known."""
        silent = [str(host) for host in self.silent_hosts]
        refusing = [str(host) for host in self.refusing_hosts if host not in silent]
        words = [f"{', '.join(silent)} {'does' if len(silent) == 1 else 'do'} not answer"]
        refuse = "refuses" if len(refusing) == 1 else "refuse"
        words.append(f"{', '.join(refusing)} {refuse} the registration, or did not answer it")
        told = [text for text, hosts in zip(words, (silent, refusing), strict=True) if hosts]
        return "; ".join(told)
