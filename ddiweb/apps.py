"""The panel's own admin site in place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class PanelAdminConfig(AdminConfig):
    """Make ``admin.site`` the panel, with its dashboard as the first page."""

    default_site = "ddiweb.site.PanelSite"
