"""Every address of the panel."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from ddiweb import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", admin.site.urls),
]
