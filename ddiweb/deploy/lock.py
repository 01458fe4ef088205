"""One fenced lease a node: two workers can't both believe that the node is theirs.

The lease ends by itself; a worker that froze and comes back holds an old fence, and the realtime
database and the agent refuse it (M. Kleppmann, "How to do distributed locking", fencing tokens).
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import F, Q

from ddiweb import clock
from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Node


@dataclass(frozen=True)
class Lease:
    """The right to change one node until it runs out."""

    node_id: int
    fence: int
    holder: str

    def renew(self) -> None:
        """Push the end back; raises Refused if somebody else holds the node by now."""
        mine = Node.objects.filter(pk=self.node_id, fence=self.fence, lease_holder=self.holder)
        if not mine.update(lease_until=_end(clock.now())):
            raise Refused("the lease of this node was lost to another worker")


def _end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.DEPLOY_LEASE)


def _process() -> str:
    """This process, by host, pid and start time (a pid alone is reused; proc(5), field 22)."""
    return f"{socket.gethostname()}:{os.getpid()}:{_stat(os.getpid())[19]}"


def _stat(pid: int | str) -> list[str]:
    """The fields of proc(5) stat from the state on; a name may hold blanks and parentheses."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def is_gone(holder: str) -> bool:
    """Whether the holder was a process of this host that has ended."""
    host, _, rest = holder.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return fields[0] == "Z" or fields[19] != started


@contextmanager
def lease(node_id: int) -> Iterator[Lease]:
    """Hold the node's lease; raises Retryable while another holds it."""
    now = clock.now()
    holder = _process()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    previous = Node.objects.values_list("lease_holder", flat=True).get(pk=node_id)
    if previous and is_gone(previous):
        free |= Q(lease_holder=previous)
    taken = Node.objects.filter(free, pk=node_id).update(
        fence=F("fence") + 1, lease_holder=holder, lease_until=_end(now)
    )
    if not taken:
        raise Retryable("another worker is at this node")
    fence = Node.objects.values_list("fence", flat=True).get(pk=node_id)
    try:
        yield Lease(node_id, fence, holder)
    finally:
        Node.objects.filter(pk=node_id, fence=fence, lease_holder=holder).update(
            lease_until=None, lease_holder=""
        )
