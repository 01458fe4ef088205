"""Trunks, numbers and peers."""

from django.apps import AppConfig


class PeersConfig(AppConfig):
    """What rings when somebody calls."""

    name = "peers"
    verbose_name = "Telephony"
