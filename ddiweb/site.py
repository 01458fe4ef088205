"""The panel: Django's admin under ddiweb's name, with the dashboard first."""

from django.contrib.admin import AdminSite


class PanelSite(AdminSite):
    """One site for people; the API is beside it."""

    site_header = "ddiweb"
    site_title = "ddiweb"
    index_title = "Overview"
