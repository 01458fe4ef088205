"""Trusted time: what graces, bans and certificates end by; nobody can set it back or forward.

Within one boot of the machine it advances by the kernel's CLOCK_BOOTTIME alone (Linux,
clock_gettime(2): time since boot, suspend included; it follows NTP's rate, never a step), so
setting the wall clock ends nothing early and keeps nothing alive. The last reading is a row of
this machine; after a reboot the time goes on from there or from the wall clock, whichever is
later. What that can't know is in docs/operate.md, "The clock". For what people read, and for
nothing else, there is ``django.utils.timezone.now``.
"""

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ddiweb.live.models import ClockReading

#: Microseconds after which the row is read again: it changes when a person accepts the wall clock.
_FRESH = 5_000_000
#: ``keep`` writes the row no oftener than this.
KEEP_EVERY = timedelta(seconds=4)


@dataclass(frozen=True)
class Sources:
    """Where a clock reads: the boot's random id, microseconds since boot, the wall clock."""

    boot_id: Callable[[], str]
    boottime: Callable[[], int]
    wall: Callable[[], datetime]
    machine: str


@dataclass(frozen=True)
class Anchor:
    """A reading: it was ``trusted`` when ``boottime`` microseconds had passed since boot."""

    boot_id: str
    boottime: int
    trusted: datetime

    def at(self, boottime: int) -> datetime:
        """The trusted time at another moment of the same boot; never before the reading."""
        return self.trusted + timedelta(microseconds=max(0, boottime - self.boottime))


class TrustedClock:
    """Reads the trusted time of one machine; every process of it reads the same."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._anchor: Anchor | None = None
        self._read_at = 0

    def now(self) -> datetime:
        """The trusted time, aware, in UTC."""
        return self._reading().trusted

    def keep(self) -> bool:
        """Write the reading down, for after a reboot; returns whether it was time to."""
        read = self._reading()
        mine = ClockReading.objects.filter(machine=self._sources.machine, boot_id=read.boot_id)
        due = mine.filter(trusted__lte=read.trusted - KEEP_EVERY, boottime__lt=read.boottime)
        return bool(due.update(trusted=read.trusted, boottime=read.boottime))

    def ahead_of_wall(self) -> timedelta:
        """How far trusted time is before the wall clock; negative: behind it."""
        return self.now() - self._sources.wall()

    def accept_wall(self) -> timedelta:
        """Take the wall clock for the truth, by a person's word; returns by how much it moved.

        Other processes follow within seconds.
        """
        before = self.now()
        with self._lock:
            wall = self._sources.wall()
            ClockReading.objects.filter(machine=self._sources.machine).update(
                boot_id=self._sources.boot_id(), boottime=self._sources.boottime(), trusted=wall
            )
            self._anchor = None
        return wall - before

    def _reading(self) -> Anchor:
        """The anchor of this moment."""
        with self._lock:
            boot_id, boottime = self._sources.boot_id(), self._sources.boottime()
            anchor = self._anchor
            known = anchor is not None and anchor.boot_id == boot_id
            if anchor is None or not known or not 0 <= boottime - self._read_at < _FRESH:
                anchor = self._anchor = self._from_row(boot_id, boottime)
                self._read_at = boottime
            return Anchor(boot_id, boottime, anchor.at(boottime))

    def _from_row(self, boot_id: str, boottime: int) -> Anchor:
        """This machine's reading of this boot; made from the last boot's or the wall clock."""
        rows = ClockReading.objects.filter(machine=self._sources.machine)
        while True:
            row, _ = ClockReading.objects.get_or_create(
                machine=self._sources.machine,
                defaults={
                    "boot_id": boot_id, "boottime": boottime, "trusted": self._sources.wall(),
                },
            )  # fmt: skip
            if row.boot_id == boot_id:
                return Anchor(boot_id, row.boottime, row.trusted)
            # Another process may be first: then its reading counts, and the next turn finds it.
            rows.filter(boot_id=row.boot_id, trusted=row.trusted).update(
                boot_id=boot_id, boottime=boottime, trusted=max(row.trusted, self._sources.wall())
            )


def _machine() -> str:
    """A key for this machine that tells nothing about it (machine-id(5) asks for that)."""
    try:
        own = Path("/etc/machine-id").read_text().strip()
    except OSError:
        own = ""
    # The host's name too: machines that were copied may share an id.
    return hashlib.sha256(f"ddiweb clock {own} {socket.gethostname()}".encode()).hexdigest()[:32]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


trusted = TrustedClock(
    Sources(
        boot_id=_boot_id,
        boottime=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
        wall=lambda: datetime.now(UTC),
        machine=_machine(),
    )
)


def now() -> datetime:
    """The trusted time of this machine, aware, in UTC: for every decision about when."""
    return trusted.now()
