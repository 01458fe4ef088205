"""The Celery application: hints about rows, never the truth itself."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ddiweb.settings")
app = Celery("ddiweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["ddiweb.deploy", "ddiweb.live", "peers", "firewall"])
