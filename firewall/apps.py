"""Who is let in."""

from django.apps import AppConfig


class FirewallConfig(AppConfig):
    """Management networks; vendors' networks stand with their trunks."""

    name = "firewall"
    verbose_name = "Firewall"
