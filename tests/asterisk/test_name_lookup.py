"""Names of callers from an outside service, by calls on the real Asterisk, whatever it answers."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab import reach
from lab.phones import PjsuaPhone
from lab.process import Process, wait_until
from lab.vendor import SECOND
from peers.callernames.fetch import Lookup
from peers.realtime.callers import CallerNameFacts
from peers.realtime.facts import NumberFacts
from tests.asterisk import names_tls
from tests.asterisk.conftest import LONDON, NODE, Bench, ring, snapshot
from tests.asterisk.names_service import PORT

ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 800
#: A caller whom the service knows as Ada; other ends of the number, other answers.
CALLER = "4416329601"
SECRET = "key-of-the-names-service"
OTHER = Lookup(f"http://{SECOND}:{PORT}/v1/{{number}}?x=1", f"Bearer {SECRET}", seconds=0.7)
SECURE = 8443
SECURELY = Lookup(f"https://{SECOND}:{SECURE}/v1/{{number}}", f"Bearer {SECRET}", seconds=0.7)


class Side:
    """The outside service and the desk, each in its namespace."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.keep = itertools.count(600)
        self.certificates = names_tls.make(folder, SECOND)
        self.desk = self._desk()

    def _desk(self) -> Process:
        return self._run("srv", "tests.asterisk.names_desk", "5050")

    @contextmanager
    def without_desk(self) -> Iterator[None]:
        """Nobody listens at its port meanwhile."""
        self.desk.stop()
        try:
            yield
        finally:
            self.desk = self._desk()

    def _run(self, namespace: str, module: str, *arguments: str, log: str = "") -> Process:
        return Process.start(
            [sys.executable, "-u", "-m", module, *arguments],
            env={
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                # Whom the node trusts: in place of the public authorities of its system.
                "SSL_CERT_FILE": str(self.certificates.authority),
            },
            cwd=ROOT,
            log=self.folder / f"{log or module}.log",
            ns=self.bench.world.ns[namespace],
            name=module,
            stdin=subprocess.PIPE,
            stdout=None if log else subprocess.PIPE,
        )

    def service(self, namespace: str = "vendor", address: str = SECOND) -> Process:
        """Start the service."""
        made = self._run(namespace, "tests.asterisk.names_service", address, log=f"in-{namespace}")
        self.wait_for(namespace, address, PORT)
        return made

    def secure_service(self, certificate: Path) -> Process:
        """Start the service with https and this certificate; its log has the file's name."""
        at, log = (SECOND, str(SECURE), str(certificate)), f"in-{certificate.stem}"
        made = self._run("vendor", "tests.asterisk.names_service", *at, log=log)
        self.wait_for("vendor", SECOND, SECURE)
        return made

    def wait_for(self, namespace: str, address: str, port: int) -> None:
        """Wait until somebody listens there."""

        def listens() -> bool:
            try:
                reach.connect(self.bench.world.ns[namespace], (address, port), 2.0).close()
            except OSError:
                return False
            return True

        wait_until(listens, 15, f"{address}:{port}")

    def use(self, lookup: Lookup) -> None:
        """Have the desk ask in this way, with nothing remembered."""
        fresh = replace(lookup, keep=float(next(self.keep)))
        assert self.desk.child.stdin
        assert self.desk.child.stdout
        self.desk.child.stdin.write(json.dumps(dataclasses.asdict(fresh)).encode() + b"\n")
        self.desk.child.stdin.flush()
        assert self.desk.child.stdout.readline() == b"ready\n"

    def lease(self, seconds: int) -> None:
        """Tell the dialplan that the port is the desk's for so long, as the watch does."""
        until = str(int(time.time()) + seconds)
        with self.bench.pbx.client() as client:
            client.action("DBPut", Family="names", Key="until", Val=until)

    def asked(self, namespace: str = "vendor") -> list[str]:
        """What the service there was asked."""
        lines = (self.folder / f"in-{namespace}.log").read_text().splitlines()
        return [line for line in lines if line.startswith("/")]


@pytest.fixture(scope="module")
def side(session_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """The desk, for all tests here."""
    made = Side(session_bench, tmp_path_factory.mktemp("names"))
    yield made
    made.desk.stop()


@pytest.fixture(scope="module")
def service(side: Side) -> Iterator[Process]:
    """The service on a public address."""
    with side.service() as made:
        yield made


@pytest.fixture
def ringing(bench: Bench, side: Side, phone: PjsuaPhone) -> PjsuaPhone:
    """Alice's phone; its DDI shows callers by name, asked for within 800 ms."""
    number = NumberFacts(LONDON, "trunk_1", "", (ring(),))
    node = replace(NODE, name_lookup=WAIT_MS)
    bench.apply(replace(snapshot(), node=node, numbers=(number,)))
    side.use(OTHER)
    side.lease(3600)
    return phone


def shown(bench: Bench, phone: PjsuaPhone, *ends: str) -> list[str]:
    """Call from numbers with these ends; the names that the phone showed."""
    before = len(phone.state().incoming)
    for end in ends:
        call = bench.vendor().call(LONDON, f"+{CALLER}{end}", display='"Vendor says"')
        assert call.status == 200
    calls = phone.state().incoming[before:]
    return [one.header("From").partition("<")[0].strip().strip('"') for one in calls]


@pytest.mark.usefixtures("service")
def test_the_service_is_told_digits_alone_and_its_name_is_shown_and_remembered(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    before = len(side.asked())
    names = shown(bench, ringing, "11", "11", "18", "19")
    assert names == ["Ada Lovelace", "Ada Lovelace", "Zoë Ω", "Vendor says"]
    asked = [f"/v1/{CALLER}{end}?x=1 Bearer {SECRET}" for end in ("11", "18", "19")]
    assert side.asked()[before:] == asked


@pytest.mark.usefixtures("service")
def test_a_name_in_a_json_field_is_shown(bench: Bench, side: Side, ringing: PjsuaPhone) -> None:
    side.use(replace(OTHER, json_field="data.0.name"))
    assert shown(bench, ringing, "14") == ["Grace Hopper"]


@pytest.mark.usefixtures("service")
def test_a_hostile_answer_is_text_on_a_display_and_nothing_else(
    bench: Bench, ringing: PjsuaPhone
) -> None:
    assert shown(bench, ringing, "12", "17") == ["Eve sip:x@ya=b", "Vendor says"]
    message = ringing.state().incoming[-2]
    assert not message.header("X-Evil")
    assert [one.disposition for one in bench.records(f"+{CALLER}12")][-1:] == ["ANSWERED"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("end", ["13", "16"], ids=["slow", "drips"])
def test_a_slow_service_delays_the_call_no_longer_than_the_timeout(
    bench: Bench, side: Side, ringing: PjsuaPhone, end: str
) -> None:
    shown(bench, ringing, "19")
    began, before = time.monotonic(), len(side.asked())
    assert shown(bench, ringing, "19") == ["Vendor says"]
    usual, began = time.monotonic() - began, time.monotonic()
    assert shown(bench, ringing, end) == ["Vendor says"]
    longer = time.monotonic() - began - usual
    assert len(side.asked()) == before + 1
    print(f"\na call waited {longer:.2f} s for a service that takes 4 s; allowed {WAIT_MS} ms")
    assert longer < 3
    # Nor is a part of a name, cut by the clock, remembered for the next call.
    assert shown(bench, ringing, end) == ["Vendor says"]


@pytest.mark.usefixtures("service")
def test_a_redirect_is_not_followed(bench: Bench, side: Side, ringing: PjsuaPhone) -> None:
    before = len(side.asked())
    assert shown(bench, ringing, "15") == ["Vendor says"]
    assert len(side.asked()) == before + 1


@pytest.mark.usefixtures("service")
def test_the_nodes_own_directory_is_asked_first(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    before = len(side.asked())
    names = (CallerNameFacts(f"{CALLER}11", "Countess"),)
    number = NumberFacts(LONDON, "trunk_1", "", (ring(),))
    node = replace(NODE, name_lookup=WAIT_MS)
    bench.apply(replace(snapshot(), node=node, numbers=(number,), names=names))
    assert (shown(bench, ringing, "11"), side.asked()[before:]) == (["Countess"], [])


def test_a_service_with_https_is_asked_if_the_node_trusts_its_certificate(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    with side.secure_service(side.certificates.right):
        side.use(SECURELY)
        assert shown(bench, ringing, "11") == ["Ada Lovelace"]
    assert side.asked("right") == [f"/v1/{CALLER}11 Bearer {SECRET}"]


def test_a_certificate_for_another_name_gets_neither_number_nor_key_and_the_call_goes_on(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    with side.secure_service(side.certificates.wrong):
        side.use(SECURELY)
        assert shown(bench, ringing, "11") == ["Vendor says"]
    assert side.asked("wrong") == []
    assert [one.disposition for one in bench.records(f"+{CALLER}11")][-1:] == ["ANSWERED"]


def test_a_service_that_is_down_leaves_the_call_as_it_is(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    side.use(replace(OTHER, url=f"http://{SECOND}:9/{{number}}"))
    assert shown(bench, ringing, "11") == ["Vendor says"]


def test_a_desk_that_is_frozen_or_gone_leaves_the_call_as_it_is(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    os.kill(side.desk.pid, signal.SIGSTOP)
    try:
        assert shown(bench, ringing, "11") == ["Vendor says"]
    finally:
        os.kill(side.desk.pid, signal.SIGCONT)
    with side.without_desk():
        assert shown(bench, ringing, "11") == ["Vendor says"]


def test_whoever_took_the_desks_port_writes_no_line_into_the_invite(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    squatter = "tests.asterisk.names_squatter", "5050"
    with side.without_desk(), side._run("srv", *squatter, log="squatter"):
        side.wait_for("srv", "127.0.0.1", 5050)
        assert shown(bench, ringing, "11") == ["EveX-Evil: 1X-More: sip:x@y[31m"]
        assert not ringing.state().incoming[-1].header("X-Evil")


def test_nobody_is_asked_at_the_desks_port_unless_ddiweb_said_lately_that_it_is_its_own(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    squatter = "tests.asterisk.names_squatter", "5050"
    side.lease(-1)
    with side.without_desk(), side._run("srv", *squatter, log="squatter"):
        side.wait_for("srv", "127.0.0.1", 5050)
        assert shown(bench, ringing, "11") == ["Vendor says"]


def test_this_machine_and_its_network_are_asked_only_if_the_operator_says_so(
    bench: Bench, side: Side, ringing: PjsuaPhone
) -> None:
    with side.service("srv", "127.0.0.1"):
        inside = replace(OTHER, url=f"http://127.0.0.1:{PORT}/{{number}}")
        side.use(inside)
        assert (shown(bench, ringing, "11"), side.asked("srv")) == (["Vendor says"], [])
        side.use(replace(inside, private_allowed=True))
        assert shown(bench, ringing, "11") == ["Ada Lovelace"]
