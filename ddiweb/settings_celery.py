"""Celery's part of the settings: its broker, its queues, and what beat asks for and how often."""

from typing import Any

from kombu.entity import Queue


def broker_url(url: str) -> str:
    """Celery's spelling of a Redis URL: ``unix:///path`` is ``redis+socket:///path`` there."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url


def queues(node: str) -> list[Queue]:
    """What the worker of ``node`` takes from."""
    return [Queue("control"), Queue(f"node-{node}")]


def schedule(
    *,
    sweep: float,
    drift: float,
    hear: float,
    traffic: float,
    voicemail: float,
    vendor_names: float,
) -> dict[str, dict[str, Any]]:
    """Beat's tasks; each number is the seconds between two of its ticks."""
    entries: dict[str, dict[str, Any]] = {
        "sweep": {"task": "ddiweb.deploy.tasks.sweep", "schedule": sweep},
        "drift": {"task": "ddiweb.deploy.tasks.check_drift_everywhere", "schedule": drift},
        "purge": {"task": "ddiweb.live.tasks.purge", "schedule": 3600.0},
        "expire-tokens": {"task": "peers.tasks.expire_tokens", "schedule": 5.0},
        "hear-tokens": {"task": "firewall.tasks.hear_tokens_everywhere", "schedule": hear},
        "renew-certificates": {"task": "peers.tasks.renew_certificates", "schedule": 3600.0},
        "traffic": {
            "task": "firewall.tasks.sample_traffic_everywhere",
            "schedule": traffic,
        },
        "expire-options": {"task": "firewall.tasks.expire_options", "schedule": 5.0},
        "voicemail": {
            "task": "peers.tasks.collect_voicemail_everywhere",
            "schedule": voicemail,
        },
        "voicemail-mail": {"task": "peers.tasks.mail_voicemail", "schedule": 30.0},
        "vendor-names": {"task": "peers.tasks.resolve_vendors", "schedule": vendor_names},
    }
    for entry in entries.values():
        # A tick that nobody took before the next one is due is worth nothing.
        entry["options"] = {"expires": entry["schedule"]}
    return entries
