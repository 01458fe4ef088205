"""Rows that carry audio: megabytes each, so lists leave it in the database."""

from typing import Any

from django.db import models


class WithoutAudio(models.Manager[Any]):
    """Everything but ``audio``, which is read when it is asked for."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """Defer it."""
        return super().get_queryset().defer("audio")
