"""API tokens: knox's hashed ones, with a name, a read-only mark and the time of the last use."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from knox.models import AbstractAuthToken

from ddiweb import validators

#: A use is written down at most once in this time: a busy client must not turn reads into writes.
USE_NOTED_EVERY = timedelta(minutes=1)


class ApiToken(AbstractAuthToken):
    """What a program signs in with, on behalf of a user. Only its hash is stored."""

    name = models.CharField(
        max_length=80,
        unique=True,
        validators=[validators.plain_text],
        help_text="What uses it, such as “provisioning script”.",
    )
    read_only = models.BooleanField(
        default=False, help_text="On: it can read what its user may see, and write nothing."
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expiry is not None and self.expiry <= timezone.now()

    def used(self) -> None:
        """Note the use, at most once a minute, whoever else does so at the same moment."""
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < USE_NOTED_EVERY:
            return
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        ApiToken.objects.filter(stale, pk=self.pk).update(last_used_at=now)
