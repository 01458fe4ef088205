"""REGISTERs a second, and what the look-up of a route adds to a call, with 10 to 100,000 phones.

ddiweb's configuration of Asterisk stands beside the realtime configuration of Asterisk's own
documentation, and its dialplan beside one line of Dial() by hand, in the same run and on the same
SQLite database. The rate is by the CPU time that Asterisk used: other work on the machine moves it
little, and what one core could do is what a busy host can do.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import BY_HAND, NODE, PASSWORD, SORCERY, THEIRS, Changed, fill
from bench.result import Result, median
from lab.errors import LabError
from lab.pbx import Pbx, PbxPlan
from lab.sipp import SCENARIOS
from lab.tools import tool
from lab.vendor import SERVER
from lab.world import World
from peers.realtime.store import open_store

SIZES = tuple(map(int, os.environ.get("DDIWEB_BENCH_PEERS", "10,1000").split(",")))
REGISTERS = 3000
#: Phones that register again and again, so that only what is beside them grows.
REGULARS = 10
RUNS = 3
#: Seconds for the documented configuration to boot: it reads every phone first.
PATIENCE = 120.0
CALLS = 40
_ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Place:
    """Where one measurement is made."""

    folder: Path
    world: World
    url: str

    @contextmanager
    def asterisk(self, kind: str) -> Iterator[Pbx]:
        """Asterisk with `ddiweb`'s files, the `documented` ones, or a dialplan by `hand`."""
        folder, ns = self.folder / kind, self.world.ns["srv"]
        made: dict[str, PbxPlan] = {
            "ddiweb": PbxPlan(folder, NODE, self.url, "bench" * 6, ns),
            "hand": Changed(
                folder, NODE, self.url, "bench" * 6, ns, files={"extensions.conf": BY_HAND}
            ),
            "documented": Changed(
                folder, NODE, self.url, "bench" * 6, ns,
                files={"sorcery.conf": SORCERY}, tables=tuple(THEIRS), start_timeout=PATIENCE,
            ),
        }  # fmt: skip
        pbx = Pbx(made[kind])
        # A measurement before this one left contacts.
        pbx.forget()
        with pbx:
            yield pbx


def run() -> list[Result]:
    """Measure each size; returns the results."""
    results = []
    few = fewer = fewest = 0.0
    for size in SIZES:
        with (
            tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as name,
            World.start(Path(name, "world")) as world,
        ):
            folder = Path(name)
            place = Place(folder, world, f"sqlite:///{folder}/realtime.sqlite3")
            store = open_store(place.url)
            store.create_schema()
            fill(store, size)
            _theirs(folder / "realtime.sqlite3")
            ours, documented = _rate(place, "ddiweb", size), _rate(place, "documented", size)
            again = _rate(place, "ddiweb", size, REGULARS)
            _unqualified(folder / "realtime.sqlite3")
            silent = _rate(place, "ddiweb", size)
            few, fewer, fewest = few or ours, fewer or again, fewest or silent
            asked, hand = _calls(place, "ddiweb"), _calls(place, "hand")
        results += [
            Result(f"registers-per-cpu-second-{size}-peers", ours, "1/s",
                   f"the same with {SIZES[0]} peers", _times(few, ours), "at least 90 %",
                   RUNS),
            Result(f"registers-again-per-cpu-second-{size}-peers", again, "1/s",
                   f"{REGULARS} phones of {SIZES[0]} peers", _times(fewer, again),
                   "at least 90 %", RUNS),
            Result(f"registers-unqualified-per-cpu-second-{size}-peers", silent, "1/s",
                   f"the same with {SIZES[0]} peers", _times(fewest, silent), "", RUNS),
            Result(f"registers-documented-{size}-peers", documented, "1/s",
                   "ddiweb's configuration", ours / documented if documented else 0,
                   "" if documented else "Asterisk did not boot", RUNS),
            Result(f"route-lookup-cpu-{size}-peers", asked[1] - hand[1], "ms",
                   "all of a call by hand", hand[1] / max(0.01, asked[1] - hand[1]), "under 5 ms",
                   CALLS),
            Result(f"route-lookup-clock-{size}-peers", asked[0] - hand[0], "ms",
                   "from INVITE to INVITE by hand", hand[0] / max(0.01, asked[0] - hand[0]),
                   "under 5 ms", CALLS),
        ]  # fmt: skip
    return results


def _times(few: float, many: float) -> float:
    """The ratio; 0 where nothing could be measured."""
    return few / many if many else 0.0


def _theirs(path: Path) -> None:
    with sqlite3.connect(path) as database:
        for name, columns in THEIRS.items():
            named = "".join(f', "{column}" TEXT' for column in columns.split())
            database.execute(f"CREATE TABLE IF NOT EXISTS {name} (id TEXT PRIMARY KEY{named})")
    database.close()


def _unqualified(path: Path) -> None:
    """No phone is asked whether it is there: what a first REGISTER costs without that."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE ps_aors SET qualify_frequency = '0'")
    database.close()


def _rate(place: Place, kind: str, size: int, crowd: int = 0) -> float:
    """REGISTERs with digest for each second of Asterisk's CPU time; 0 if it does not boot.

    ``crowd``: how many of the phones register, evenly among all; 0 is all, so that nearly each
    REGISTER of a large crowd is a phone's first.
    """
    values = place.folder / "phones.csv"
    names = [f"phone{number}" for number in range(0, size, max(1, size // (crowd or size)))]
    lines = [f"{one};[authentication username={one} password={PASSWORD}]" for one in names]
    values.write_text("\n".join(["RANDOM", *lines, ""]))
    try:
        with place.asterisk(kind) as pbx:
            _sipp(place, values, 200)
            rates = []
            for _ in range(RUNS):
                before = _cpu(pbx.pid)
                _sipp(place, values, REGISTERS)
                rates.append(REGISTERS / (_cpu(pbx.pid) - before))
            return median(rates)
    except LabError as error:
        print(f"bench: {kind} with {size} phones: {error}", file=sys.stderr)
        return 0.0


def _sipp(place: Place, values: Path, count: int) -> None:
    command = tool("sipp")
    argv = command.line(
        "-sf", str(SCENARIOS / "registers.xml"), "-oocsf", str(SCENARIOS / "answers.xml"),
        "-inf", str(values), "-m", str(count),
        "-l", "30", "-r", "3000", "-i", "203.0.113.66", "-p", "5080", "-nostdin", "-nd",
        "-timeout", "280s", f"{SERVER}:5060",
    )  # fmt: skip
    try:
        done = subprocess.run(
            place.world.argv("attacker", argv),
            env={**command.env, "TERM": "dumb", "PATH": os.environ["PATH"]},
            cwd=place.folder, capture_output=True, text=True, check=False, timeout=290,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise LabError(f"sipp did not end {count} REGISTERs within 290 s") from None
    if done.returncode:
        raise LabError(f"sipp ended with {done.returncode}: {done.stderr[-300:]}")


def _cpu(pid: int) -> float:
    """CPU seconds of a process with all of its threads (proc(5))."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / _TICKS


def _calls(place: Place, kind: str) -> tuple[float, float]:
    """Milliseconds from the vendor's INVITE to the phone's, and of Asterisk's CPU for a call."""
    with place.asterisk(kind) as pbx:
        argv = [sys.executable, "-m", "bench.ringing", str(CALLS)]
        command = place.world.argv("vendor", argv, _ROOT)
        subprocess.run([*command[:-1], "5"], cwd=_ROOT, capture_output=True, check=True)
        before = _cpu(pbx.pid)
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
        used = (_cpu(pbx.pid) - before) / CALLS * 1000
    return median([float(line) for line in done.stdout.split()]), used
