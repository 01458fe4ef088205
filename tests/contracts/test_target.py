"""One suite for every target: the one in memory, the real rows and the real rules.

A pipeline that is tested on the fake is worth something only as long as both pass this.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from firewall.target import FirewallTarget
from lab.pbx import Pbx
from lab.world import World, available
from peers import services
from peers.models import Peer
from peers.realtime.store import open_store
from peers.realtime.target import RealtimeTarget
from tests import factories
from tests.fakes import MemoryTarget
from tests.kernel.bench import Bench

pytestmark = [
    pytest.mark.contracts,
    pytest.mark.django_db,
    pytest.mark.skipif(available() is not None, reason=str(available())),
]


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    folder = tmp_path_factory.mktemp("rows")
    with World.start(folder / "world") as world:
        url = f"sqlite:///{folder}/realtime.sqlite3"
        open_store(url).create_schema()
        with Pbx.at(folder / "pbx", world.ns["srv"], url) as running:
            yield running


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("rules")
    with World.start(folder / "world") as world:
        bench = Bench(world, "nft", folder / "agent")
        bench.start_agent()
        yield bench
        bench.end()


@pytest.fixture(params=["memory", "realtime", "firewall"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A target whose world is empty of this test's peers."""
    if request.param == "memory":
        return MemoryTarget()
    if request.param == "realtime":
        pbx: Pbx = request.getfixturevalue("pbx")
        return RealtimeTarget(open_store(pbx.plan.realtime_url), pbx.client)
    agent: Bench = request.getfixturevalue("agent")
    return FirewallTarget(agent.channel)


@pytest.fixture
def node() -> Node:
    made = factories.node(site_prefix="ddi-contract-")
    add_peer(made)
    return made


@pytest.fixture
def fence(target: Any) -> int:
    """A fence higher than all that this target has seen."""
    if isinstance(target, RealtimeTarget):
        return target.store.fence() + 1
    if isinstance(target, FirewallTarget):
        return int(target.channel.status()["fence"]) + 1
    return target.fence + 1


def add_peer(node: Node) -> Peer:
    peer = factories.peer(node)
    services.peer_created(peer)
    node.refresh_from_db()
    return peer


def apply(target: Any, node: Node, fence: int) -> Any:
    """Plan and apply; returns what was desired."""
    desired = target.render(node)
    target.apply(node, desired, target.diff(node, desired, target.read(node)), fence)
    return desired


def left(target: Any, node: Node) -> tuple[str, ...]:
    """What a plan made now would change."""
    return tuple(target.diff(node, target.render(node), target.read(node)).lines)


def test_a_plan_names_what_is_missing(target: Any, node: Node) -> None:
    assert left(target, node)


def test_a_plan_changes_nothing(target: Any, node: Node) -> None:
    assert left(target, node) == left(target, node)


def test_what_was_applied_is_verified_and_leaves_nothing_to_do(
    target: Any, node: Node, fence: int
) -> None:
    desired = apply(target, node, fence)
    assert target.verify(node, desired) == []
    assert left(target, node) == ()


def test_the_same_apply_twice_is_harmless(target: Any, node: Node, fence: int) -> None:
    apply(target, node, fence)
    desired = apply(target, node, fence + 1)
    assert target.verify(node, desired) == []


def test_an_overtaken_fence_is_refused_and_changes_nothing(
    target: Any, node: Node, fence: int
) -> None:
    apply(target, node, fence + 1)
    add_peer(node)
    before = left(target, node)
    with pytest.raises(Refused):
        apply(target, node, fence)
    assert left(target, node) == before


def test_verify_names_what_differs(target: Any, node: Node, fence: int) -> None:
    apply(target, node, fence)
    add_peer(node)
    assert target.verify(node, target.render(node))


def test_restore_brings_back_what_was_there(target: Any, node: Node, fence: int) -> None:
    apply(target, node, fence)
    first = target.render(node)
    before = target.read(node)
    add_peer(node)
    apply(target, node, fence + 1)
    target.restore(node, before, fence + 1)
    assert target.diff(node, first, target.read(node)).lines == ()


def test_a_plan_shows_no_secret(target: Any, node: Node) -> None:
    peer = add_peer(node)
    shown = "\n".join(left(target, node))
    assert peer.hashes.split()[0] not in shown
    assert peer.tokens.get().value not in shown
