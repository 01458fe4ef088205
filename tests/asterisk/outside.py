"""Vendors that take outgoing calls, and a phone that dials, for tests of outgoing calls."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import dialer, sipp
from lab.dialer import Dialled
from lab.vendor import FIRST, SECOND, SERVER
from peers.realtime.facts import PeerFacts, ServerFacts, TrunkFacts
from peers.realtime.outgoing import CallerOutFacts, Caps, OutgoingFacts, PolicyFacts, TollFacts
from tests.asterisk.conftest import LONDON, PASSWORD, Bench, peer, snapshot

#: Ofcom keeps 020 7946 0000 to 0999 for drama.
ALLOWED = "442079460999"
TRUNKS = (
    TrunkFacts("trunk_1", (f"{FIRST}/32",), servers=(ServerFacts(FIRST),)),
    TrunkFacts("trunk_2", (f"{SECOND}/32",), servers=(ServerFacts(SECOND),)),
)
LOOSE = Caps(calls=50, calls_a_minute=100, seconds_a_day=36_000)


def policy(**changes: Any) -> PolicyFacts:
    """The United Kingdom without its 09 numbers, by both vendors."""
    facts = PolicyFacts(
        "policy_1",
        trunks=("trunk_1", "trunk_2"),
        destinations=(("44", True), ("449", False), ("440", False), ("441481", False)),
        country="44",
        caps=LOOSE,
        emergency=("112", "999"),
        emergency_trunks=("trunk_1", "trunk_2"),
    )
    return replace(facts, **changes)


def allow(
    bench: Bench,
    *,
    vendors: tuple[TrunkFacts, ...] = TRUNKS,
    tolls: tuple[TollFacts, ...] | None = None,
    peers: tuple[PeerFacts, ...] | None = None,
    tls_port: int = 0,
    caller: str = "peer_1",
    **changes: Any,
) -> None:
    """Let alice, or another ``caller``, call by this policy."""
    facts = snapshot(trunks=vendors, peers=peers or (peer(), peer("bob", "peer_2")))
    tolls = tolls or (TollFacts("trunk_1"), TollFacts("trunk_2"))
    bench.apply(
        replace(
            facts,
            node=replace(facts.node, tls_port=tls_port),
            outgoing=OutgoingFacts(
                (CallerOutFacts(caller, "policy_1", LONDON),), (policy(**changes),), tolls
            ),
        )
    )


@dataclass
class Vendor:
    """A vendor's end of outgoing calls."""

    running: sipp.Sipp

    @property
    def invites(self) -> list[str]:
        """The INVITEs that came, one a call."""
        trace = self.running.trace()
        return list({sipp.call_id(one): one for one in trace.requests("INVITE")}.values())

    @property
    def dialled(self) -> list[str]:
        """The request URIs' users."""
        return [one.split(" ")[1].partition("@")[0].removeprefix("sip:") for one in self.invites]


@contextmanager
def taking(
    bench: Bench, address: str = FIRST, status: int = 200, extra: str = "X-Lab: 1"
) -> Iterator[Vendor]:
    """A vendor at ``address`` that answers, or refuses with ``status``."""
    scenario = "answer" if status == 200 else refusal(bench.folder, status, extra)
    with sipp.Sipp(
        bench.world.ns["vendor"],
        bench.folder / "vendor",
        scenario,
        address=address,
        calls=100_000,
        timeout=300,
    ) as running:
        sipp.settle(0.4)
        yield Vendor(running)


def refusal(folder: Path, status: int, extra: str) -> str:
    """Write the scenario: sipp takes a status from its file alone."""
    text = (sipp.SCENARIOS / "refuse.xml").read_text()
    name = folder / f"refuse-{status}"
    name.with_suffix(".xml").write_text(
        text.replace("[status]", str(status)).replace("[extra]", extra)
    )
    return str(name)


def call(
    bench: Bench, *numbers: str, user: str = "alice", password: str = PASSWORD, **wish: Any
) -> list[Dialled]:
    """Dial ``numbers`` (users of the request URI) at the same moment."""
    wishes: Sequence[dict[str, Any]] = [
        {"uri": f"sip:{number}@{SERVER}", **wish} for number in numbers
    ]
    return dialer.dial(bench.world, user, password, wishes)
