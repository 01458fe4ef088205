"""Every address of the panel."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from ddiweb import health
from peers.provisioning import views as provisioning
from peers.tls import views as tls

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("authority.pem", tls.certificate, name="authority"),
    path("p/<path:secret>", provisioning.fetch, name="provision"),
    path("api/v1/", include("ddiweb.api.urls")),
    path("", admin.site.urls),
]
