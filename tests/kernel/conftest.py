"""One world and one agent a backend; each test starts from the plain intent."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.world import World
from tests.kernel.bench import SIP, TLS, Bench
from tests.kernel.tcp import OPEN, served


@contextlib.contextmanager
def bench_of(backend: str, folder: Path) -> Iterator[Bench]:
    """A world of its own with its agent."""
    with World.start(folder / "world") as world:
        bench = Bench(world, backend, folder / "agent")
        try:
            bench.start_agent()
            yield bench
        finally:
            bench.end()


@pytest.fixture(scope="session", params=["nft", "legacy"])
def backend_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """One for each backend: the rules of both in one world would apply together."""
    with bench_of(request.param, tmp_path_factory.mktemp(request.param)) as bench:
        yield bench


@pytest.fixture
def bench(backend_bench: Bench) -> Bench:
    """The bench with the plain intent in force and nothing remembered."""
    if backend_bench.agent is None or backend_bench.agent.poll() is not None:
        backend_bench.start_agent()
    backend_bench.fresh()
    return backend_bench


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request: pytest.FixtureRequest) -> int:
    """IPv4, then IPv6."""
    version: int = request.param
    return version


@pytest.fixture
def gate(bench: Bench, family: int) -> Iterator[Bench]:
    """The bench with SIP over TCP and TLS, and nobody connected."""
    bench.apply(**OPEN)
    yield bench
    bench.hands["attacker"].do("forget")
    for port in (SIP, TLS):
        served(bench, family, port, "close")
