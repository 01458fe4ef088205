"""The pipeline that both targets run through."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """Nodes and deployments."""

    name = "ddiweb.deploy"
    verbose_name = "Nodes and deployments"
