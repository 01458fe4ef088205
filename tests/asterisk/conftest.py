"""A world, an Asterisk and its realtime database for the whole session; phones for each test."""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused, Retryable
from lab.pbx import Pbx
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SECOND, SERVER, Vendor
from lab.world import World
from peers.realtime.cdr import CallRecord, parse
from peers.realtime.diff import Change, diff
from peers.realtime.facts import (
    NodeFacts,
    NumberFacts,
    PeerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)
from peers.realtime.render import render
from peers.realtime.store import Store, open_store

REALM = "ddi.lab"
NODE = NodeFacts("lab", REALM, 5060, 10000, 10199)
LONDON = "442079460123"
PARIS = "33199000123"
PASSWORD = "correct-horse-battery"
PHONE_TONE_HZ = 600


def peer(username: str = "alice", key: str = "peer_1", **changes: object) -> PeerFacts:
    """A peer with the lab's password."""
    ha1 = hashlib.md5(f"{username}:{REALM}:{PASSWORD}".encode()).hexdigest()  # noqa: S324 - SIP's digest
    return PeerFacts(key, username, ha1, **changes)  # type: ignore[arg-type]


def ring(*keys: str, position: int = 1, timeout: int = 15) -> StepFacts:
    """A step that rings peers."""
    return StepFacts(position, "ring", keys or ("peer_1",), timeout)


def snapshot(
    *,
    trunks: tuple[TrunkFacts, ...] | None = None,
    peers: tuple[PeerFacts, ...] | None = None,
    steps: tuple[StepFacts, ...] | None = None,
) -> Snapshot:
    """Two vendors with a number each: London on the first, Paris on the second."""
    steps = (ring(),) if steps is None else steps
    return Snapshot(
        NODE,
        trunks
        or (TrunkFacts("trunk_1", (f"{FIRST}/32",)), TrunkFacts("trunk_2", (f"{SECOND}/32",))),
        (peer(),) if peers is None else peers,
        (
            NumberFacts(LONDON, "trunk_1", "London", steps),
            NumberFacts(PARIS, "trunk_2", "Paris", (ring(),) if peers is None else ()),
        ),
    )


@dataclass
class Bench:
    """Asterisk with its database, and the way to change it as the pipeline does."""

    world: World
    pbx: Pbx
    store: Store
    folder: Path
    fences: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def apply(self, wanted: Snapshot) -> Change:
        """Write what differs and tell Asterisk what it needs to know."""
        change = diff(render(wanted), self.store.read())
        self.store.write(change, next(self.fences))
        if change.actions:
            with self.pbx.client() as client:
                for action in change.actions:
                    action.perform(client)
        return change

    def vendor(self, address: str = FIRST, namespace: str = "vendor") -> Vendor:
        """A vendor's host, or a stranger's in the namespace ``attacker``."""
        return Vendor(self.world.ns[namespace], self.folder / namespace, address)

    def records(self, caller: str, seconds: float = 5.0) -> list[CallRecord]:
        """The call records of ``caller``; waits for the first one."""

        def found() -> list[CallRecord]:
            spool = self.pbx.plan.spool
            lines = spool.read_bytes().splitlines() if spool.exists() else []
            return [one for one in map(parse, lines) if one.caller == caller]

        wait_until(lambda: bool(found()), seconds, f"a record of {caller}")
        return found()

    def quiet(self) -> None:
        """End all calls, and wait until none is up: else it rings, sends and counts in other tests.

        A phone whose process has ended never answers a BYE, which is sent again for 32 s.
        """
        with contextlib.suppress(Retryable), self.pbx.client() as client:
            with contextlib.suppress(Refused):  # there is none
                client.action("Hangup", Channel="/^(PJSIP|IAX2).*$/")
            wait_until(
                lambda: client.action("CoreStatus")[0].get("CoreCurrentCalls") == "0",
                30,
                "the end of all calls",
            )

    def dialplan(self) -> str:
        """What the dialplan executed so far (Asterisk's console)."""
        lines = self.pbx.log("console.log").splitlines()
        return "\n".join(line for line in lines if "Executing [" in line)


@contextlib.contextmanager
def bench_on(folder: Path, store: Store, url: str) -> Iterator[Bench]:
    """Run a world and an Asterisk that reads ``url``."""
    store.create_schema()
    with (
        World.start(folder / "world") as world,
        Pbx(
            replace(Pbx.at(folder / "pbx", world.ns["srv"], url, NODE).plan, tells_steps=True)
        ) as pbx,
    ):
        yield Bench(world, pbx, store, folder)


@pytest.fixture(scope="session")
def session_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One Asterisk on SQLite for all tests."""
    folder = tmp_path_factory.mktemp("lab")
    url = f"sqlite:///{folder / 'realtime.sqlite3'}"
    with bench_on(folder, open_store(url), url) as made:
        yield made


@pytest.fixture
def bench(session_bench: Bench) -> Iterator[Bench]:
    """The session's Asterisk with the two vendors, one peer and two numbers; cleared afterwards."""
    session_bench.apply(snapshot())
    yield session_bench
    session_bench.quiet()
    with contextlib.suppress(Retryable):
        session_bench.apply(Snapshot(NODE))


@pytest.fixture
def phones(bench: Bench, tmp_path: Path) -> Iterator[Callable[..., PjsuaPhone]]:
    """Make started phones: ``phones("alice")`` behind NAT, registered unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def make(
            username: str = "alice",
            *,
            namespace: str = "phone",
            register: bool = True,
            **options: str,
        ) -> PjsuaPhone:
            phone = PjsuaPhone(
                bench.world.ns[namespace],
                tmp_path / username,
                tone_hz=PHONE_TONE_HZ,
                **options,  # type: ignore[arg-type]
            )
            stack.enter_context(phone)
            if register:
                answer = phone.register(username, PASSWORD, SERVER)
                assert answer.registered, answer
            return phone

        yield make
        bench.quiet()  # while the phones can still answer


@pytest.fixture
def phone(phones: Callable[..., PjsuaPhone]) -> PjsuaPhone:
    """Alice's phone, behind NAT and registered."""
    return phones("alice")
