"""Forget what nobody will ask for again: strangers write some of these rows, clocks the others."""

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Max
from django.utils import timezone
from django.utils.module_loading import import_string

from ddiweb.deploy.models import Deployment
from ddiweb.deploy.states import FINISHED
from ddiweb.live.models import SecurityEvent

#: Security events kept, however young: whoever holds a token could fill the disk with wrong words.
MOST_EVENTS = 100_000
#: What later apps forget; imports point at this one, hence names.
OTHERS = {
    "traffic": "firewall.traffic.roll_up",
    "questions": "firewall.questions.purge",
    "bans": "firewall.bans.purge",
    "name trials": "peers.name_trials.purge",
}


def purge() -> dict[str, int]:
    """Delete old security events, deployments and sessions; returns how many of each.

    Each node's newest deployment stays: it says what is in force.
    """
    now = timezone.now()
    old = now - timedelta(days=settings.KEEP_DAYS)
    events = SecurityEvent.objects.filter(at__lt=old).delete()[0]
    kept = SecurityEvent.objects.order_by("-pk").values_list("pk", flat=True)
    for last in kept[MOST_EVENTS : MOST_EVENTS + 1]:
        events += SecurityEvent.objects.filter(pk__lte=last).delete()[0]
    newest = Deployment.objects.values("node").annotate(newest=Max("pk"))
    done = Deployment.objects.filter(state__in=list(FINISHED), created_at__lt=old)
    done = done.exclude(pk__in=list(newest.values_list("newest", flat=True)))
    others = {name: import_string(path)() for name, path in OTHERS.items()}
    return others | {
        "security events": events,
        "deployments": done.delete()[0],
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
    }
