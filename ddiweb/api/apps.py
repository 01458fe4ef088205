"""The API as an app: it owns the tokens that programs sign in with."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """API tokens, the schema and the documentation page."""

    name = "ddiweb.api"
    label = "api"
    verbose_name = "API"

    def ready(self) -> None:
        """Let the schema know our authentication."""
        from ddiweb.api import schema  # noqa: F401 - registers itself
