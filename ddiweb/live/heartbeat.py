"""Who is alive: each process notes the time; silence is told from calm by its age."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ddiweb.live.models import Heartbeat

#: A process notes itself every 10 s or oftener; after this time (seconds) it counts as silent.
SILENT_AFTER = 40


@dataclass(frozen=True)
class Pulse:
    """What is known of one process; ``age`` in seconds, None if it was never there."""

    name: str
    age: float | None
    detail: str = ""

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return self.age is not None and self.age < SILENT_AFTER


def worker_name(slug: str) -> str:
    """The heartbeat of the worker on a node."""
    return f"worker:{slug}"


def watch_name(slug: str) -> str:
    """The heartbeat of a node's watch."""
    return f"watch:{slug}"


def note(name: str, detail: str = "") -> None:
    """Say “I am here”."""
    Heartbeat.objects.update_or_create(
        name=name, defaults={"at": timezone.now(), "detail": detail[:200]}
    )


def pulse(name: str) -> Pulse:
    """How long ago ``name`` was heard of."""
    row = Heartbeat.objects.filter(name=name).first()
    return Pulse(name, None) if row is None else _pulse(row)


def pulses(prefix: str) -> list[Pulse]:
    """All processes whose name begins with ``prefix``, the freshest first."""
    rows = Heartbeat.objects.filter(name__startswith=prefix).order_by("-at")
    return [_pulse(row) for row in rows]


def _pulse(row: Heartbeat) -> Pulse:
    age = (timezone.now() - row.at) / timedelta(seconds=1)
    return Pulse(row.name, max(0.0, age), row.detail)
