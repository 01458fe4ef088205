"""Trunks as configuration beside trunks as realtime rows: what a reload costs a node with phones.

For both, with 10 and with 10,000 peers: how long Asterisk takes to boot, to know that a silent
vendor is down and to reload ``res_pjsip.so``, and the longest gap in a call's audio meanwhile. The
rival is one realtime table for trunks and phones, which Asterisk must be allowed to read whole
(docs/adr/0110).
"""

import dataclasses
import hashlib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.result import Result, median
from lab import pbx as lab_pbx
from lab.errors import LabError
from lab.pbx import Pbx, PbxPlan
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SERVER
from lab.world import World
from peers.realtime.actions import Reload
from peers.realtime.diff import diff
from peers.realtime.endpoints import endpoints
from peers.realtime.facts import (
    NodeFacts,
    NumberFacts,
    PeerFacts,
    ServerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)
from peers.realtime.render import render
from peers.realtime.rows import Rows
from peers.realtime.store_sqlite import SqliteStore

ROOT = Path(__file__).resolve().parent.parent
NODE = NodeFacts("bench", "ddi.lab", 5060, 10000, 10199)
NUMBER = "442079460123"
SIZES = (10, 10_000)
PASSWORD = "correct-horse-battery"
RELOADS = 2
SECONDS = 15.0
_RIVAL_SORCERY = """[res_pjsip]
endpoint = realtime,ps_endpoints
auth = realtime,ps_auths
aor = realtime,ps_aors

[res_pjsip_endpoint_identifier_ip]
identify = realtime,trunk_identifies
"""


class Rival(PbxPlan):
    """Asterisk with trunks and phones in the same realtime tables."""

    def prepare(self) -> None:
        """As usual, with another sorcery.conf."""
        super().prepare()
        etc = self.folder / "etc"
        (etc / "sorcery.conf").write_text(_RIVAL_SORCERY)
        tables = (etc / "extconfig.conf").read_text()
        more = "trunk_identifies => sqlite3,ddiweb,trunk_identifies\n"
        (etc / "extconfig.conf").write_text(tables + more)


def run() -> list[Result]:
    """Measure; returns the results."""
    # The rival's boot is a figure here, not a fault.
    lab_pbx.START_TIMEOUT = 180.0
    results = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
            ours = _measure(Path(folder) / "a", PbxPlan, size)
            theirs = _measure(Path(folder) / "b", Rival, size)
        against = "trunks in realtime tables"
        for name, unit in (("boot", "s"), ("reload", "ms"), ("gap", "ms"), ("watch", "s")):
            mine, other = ours[name], theirs[name]
            results.append(
                Result(f"trunks-{name}-{size}-peers", mine, unit, f"{against}: {other:.3g}",
                       other / mine if mine else 1.0, "", RELOADS)
            )  # fmt: skip
    return results


def _rows(size: int) -> Rows:
    # The digest scheme of every phone (RFC 2617).
    digest = hashlib.md5(f"phone0:{NODE.realm}:{PASSWORD}".encode()).hexdigest()  # noqa: S324 - SIP's digest
    phones = [PeerFacts(f"peer_{n}", f"phone{n}", digest) for n in range(size)]
    trunk = TrunkFacts(
        "trunk_1", (f"{FIRST}/32",), (ServerFacts(FIRST), ServerFacts("203.0.113.99")), qualify=True
    )
    route = StepFacts(1, "ring", ("peer_0",), 30)
    number = NumberFacts(NUMBER, "trunk_1", "London", (route,))
    return render(Snapshot(NODE, (trunk,), tuple(phones), (number,)))


def _measure(folder: Path, kind: type[PbxPlan], size: int) -> dict[str, float]:
    folder.mkdir()
    path = folder / "realtime.sqlite3"
    store = SqliteStore(str(path), "writer")
    store.create_schema()
    store.write(diff(_rows(size), store.read()), 1)
    if kind is Rival:
        _into_one_table(path)
    with World.start(folder / "world") as world:
        plan = Pbx.at(folder / "pbx", world.ns["srv"], f"sqlite:///{path}", NODE).plan
        fields = {f.name: getattr(plan, f.name) for f in dataclasses.fields(plan)}
        pbx = Pbx(kind(**fields))
        begun = time.monotonic()
        with pbx:
            found = {"boot": time.monotonic() - begun, "watch": _until_watched(pbx, begun)}
            with _call(world, folder):
                seen = [_reload(world, pbx) for _ in range(RELOADS)]
    found["reload"] = median([one["reload"] for one in seen])
    found["gap"] = median([one["gap"] for one in seen])
    print(kind.__name__, size, found, file=sys.stderr)
    return found


def _into_one_table(path: Path) -> None:
    """Copy the trunk's rows to where phones stand, as a plain realtime set-up has them."""
    with sqlite3.connect(path) as connection:
        for source, target in (("trunk_endpoints", "ps_endpoints"), ("trunk_aors", "ps_aors")):
            names = [
                {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
                for table in (source, target)
            ]
            both = ", ".join(sorted(names[0] & names[1]))
            connection.execute(f"INSERT INTO {target} ({both}) SELECT {both} FROM {source}")  # noqa: S608


@contextmanager
def _call(world: World, folder: Path) -> Iterator[None]:
    """A call with audio from the vendor to a phone behind NAT."""
    vendor = PjsuaPhone(
        world.ns["vendor"], folder / "vendor", address=FIRST, port=5060, tone_hz=1000
    )
    with vendor, PjsuaPhone(world.ns["phone"], folder / "phone") as phone:
        if not phone.register("phone0", PASSWORD, SERVER).registered:
            raise LabError("the phone does not register")
        vendor.identify("+441632960000", FIRST)
        if not vendor.call(f"sip:{NUMBER}@{SERVER}", wait=20).answered:
            raise LabError("the phone does not answer")
        yield


def _until_watched(pbx: Pbx, begun: float) -> float:
    """Seconds from the start until Asterisk knows that the vendor's second host is down."""

    def known() -> bool:
        with pbx.client(timeout=90) as client:
            names = {one.name: one for one in endpoints(client.action("PJSIPShowEndpoints"))}
        return "trunk_1-S2" in names and not names["trunk_1-S2"].reachable

    wait_until(known, 180, "the silent host is known to be down")
    return time.monotonic() - begun


def _reload(world: World, pbx: Pbx) -> dict[str, float]:
    argv = [sys.executable, "-m", "bench.audio_gap", str(SECONDS)]
    probe = subprocess.Popen(
        world.argv("vendor", argv, cwd=ROOT), stdout=subprocess.PIPE, text=True
    )
    time.sleep(1.2)
    with pbx.client(timeout=120) as client:
        begun = time.monotonic()
        Reload("res_pjsip.so").perform(client)
        took = (time.monotonic() - begun) * 1000
    return {"gap": float(probe.communicate(timeout=120)[0]), "reload": took}
