"""NameLookup: an outside service that knows names of callers."""

import base64
import re
from datetime import timedelta
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from ddiweb import validators
from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from peers.callernames import template
from peers.callernames.fetch import Lookup, literal
from peers.choices import SignIn

#: Milliseconds that a call may wait for a name.
QUICKEST, SLOWEST = 200, 3000
_VISIBLE = re.compile(r"\A[!-~]{1,500}\Z")


def lookup_url(value: str) -> None:
    """Refuse what is no template of an address. Raises ValidationError."""
    validators.plain_text(value)
    try:
        template.split(value)
    except ValueError as error:
        raise ValidationError(str(error), code="url") from None


def lookup_secret(value: str) -> None:
    """Refuse what has no place in a header; the value is never repeated."""
    if value and not _VISIBLE.fullmatch(value):
        text = "this can't be used here: copy it without blanks; at most 500 plain characters"
        raise ValidationError(text, code="secret")


def key_stays(row: "NameLookup", url: str) -> None:
    """Refuse another service for a key that is only stored: it would be told the key.

    Also while nothing is signed in with: that can be changed next. Raises ValidationError.
    """
    if row.pk and row.secret and template.origin(row.url) != template.origin(url):
        text = "was written for another service: write the new one's, or the same again"
        raise ValidationError(text, code="required")


class NameLookup(models.Model):
    """How the node asks for the names of callers whom its own directory does not know."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="name_lookup")
    enabled = models.BooleanField(
        default=True, help_text="Off: nothing about a caller leaves the node."
    )
    url = models.CharField(
        "address",
        max_length=template.LONGEST,
        validators=[lookup_url],
        help_text="The service's address with {number} where the caller's number goes (E.164 "
        "digits without +), such as https://names.example/v1/{number}. Callers' numbers are told "
        "to this service.",
    )
    sign_in = models.CharField(
        "signs in by", max_length=6, choices=SignIn.choices, default=SignIn.NONE
    )
    username = models.CharField(
        max_length=64,
        blank=True,
        validators=[validators.vendor_username],
        help_text="Only for a username and a password.",
    )
    secret = EncryptedTextField(
        "password or key",
        blank=True,
        default="",
        validators=[lookup_secret],
    )
    json_field = models.CharField(
        "name stands in",
        max_length=80,
        blank=True,
        validators=[
            validators.Pattern(
                r"[A-Za-z0-9_-]{1,40}(\.[A-Za-z0-9_-]{1,40}){0,5}",
                "write the field's name, with dots between levels, such as data.name",
            )
        ],
        help_text="The field of a JSON answer, such as data.0.name. Blank: the answer itself is "
        "the name.",
    )
    timeout = models.PositiveSmallIntegerField(
        "waits for (ms)",
        default=1500,
        validators=[MinValueValidator(QUICKEST), MaxValueValidator(SLOWEST)],
        help_text="Milliseconds, 200 to 3000. A call waits no longer, and goes on without a name.",
    )
    keep_hours = models.PositiveSmallIntegerField(
        "remembers for (hours)",
        default=168,
        validators=[MinValueValidator(1), MaxValueValidator(8760)],
        help_text="How long a name is known without asking anew. That there is none is known for "
        "a day at most.",
    )
    a_minute = models.PositiveSmallIntegerField(
        "questions a minute",
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(6000)],
        help_text="At most. Each may cost money, and a stranger can call with ever new numbers.",
    )
    private_allowed = models.BooleanField(
        "private addresses",
        default=False,
        help_text="On only if the service is in your own network or on the node itself: its "
        "host may then have an address such as 10.1.2.3 or 127.0.0.1, and a key may go over http.",
    )
    answered_at = models.DateTimeField("last answered", null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)
    history = HistoricalRecords(
        excluded_fields=["secret", "answered_at", "failing_since", "last_error"]
    )

    class Meta:
        ordering: ClassVar = ["node"]
        verbose_name = "caller name look-up"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(sign_in__in=SignIn.values), name="lookup_sign_in"),
            models.CheckConstraint(
                condition=Q(timeout__gte=QUICKEST, timeout__lte=SLOWEST), name="lookup_timeout"
            ),
            models.CheckConstraint(condition=Q(url__regex=r"\Ahttps?://"), name="lookup_url"),
        ]

    def __str__(self) -> str:
        return str(self.node)

    def clean(self) -> None:
        """What is needed to sign in is there, and travels encrypted. Raises ValidationError."""
        faults = {}
        if self.sign_in != SignIn.NONE and not self.secret:
            faults["secret"] = ValidationError("is needed to sign in; write it", code="required")
        if self.sign_in == SignIn.BASIC and not self.username:
            faults["username"] = ValidationError("is needed to sign in; write it", code="required")
        plain = self.url.startswith("http:") and not self.private_allowed
        if plain and self.sign_in != SignIn.NONE:
            text = "begins with http: the key could be read on the way; write https"
            faults["url"] = ValidationError(text, code="in_clear")
        if self.url and "url" not in faults and (why := self._unreachable()):
            faults["url"] = ValidationError(why, code="address")
        if faults:
            raise ValidationError(faults)

    def _unreachable(self) -> str:
        """Why no call could ask there, with the remedy; a name is judged when it is looked up."""
        try:
            host = template.split(self.url).hostname or ""
        except ValueError:
            return ""  # the field's own validator tells
        why = literal(host, private_allowed=self.private_allowed)
        if why and not self.private_allowed and not literal(host, private_allowed=True):
            return f"{why}; write a public host, or allow private addresses (private_allowed)"
        return f"{why}, which is never asked; write another host" if why else ""

    @property
    def authorization(self) -> str:
        """The header's value (RFC 6750, RFC 7617), a secret; empty without one."""
        if self.sign_in == SignIn.BEARER:
            return f"Bearer {self.secret}"
        if self.sign_in == SignIn.BASIC:
            both = f"{self.username}:{self.secret}".encode()
            return f"Basic {base64.b64encode(both).decode()}"
        return ""

    def lookup(self) -> Lookup:
        """What the watch asks with."""
        return Lookup(
            url=self.url,
            authorization=self.authorization,
            json_field=self.json_field,
            seconds=self.timeout / 1000,
            keep=timedelta(hours=self.keep_hours).total_seconds(),
            a_minute=self.a_minute,
            private_allowed=self.private_allowed,
        )
