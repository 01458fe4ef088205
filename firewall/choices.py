"""The words that a ban's form offers."""

from django.db import models


class BanReason(models.TextChoices):
    """Why an address is shut out."""

    WRONG_PASSWORD = "wrong_password", "Wrong passwords"
    UNKNOWN_ACCOUNT = "unknown_account", "Unknown users"
    REFUSED_ADDRESS = "refused_address", "Refused by an access list"
    LEAKED_TOKEN = "leaked_token", "Used a leaked token"
    ABUSE = "abuse", "Abuse reported by others"
    BY_HAND = "by_hand", "By hand"


class BanSource(models.TextChoices):
    """Who asked for it."""

    HAND = "hand", "A person"
    WATCH = "watch", "The watch"
