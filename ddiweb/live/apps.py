"""What happens now: registrations, calls, security events."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """State that the watch writes as it happens."""

    name = "ddiweb.live"
    verbose_name = "Live"
