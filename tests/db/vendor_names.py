"""A vendor's names, a name server and a clock, for tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ddiweb.deploy.models import Deployment, Node
from firewall import snapshot as firewall_snapshot
from peers import dns, vendor_lookups
from peers.models import Trunk, TrunkHost
from peers.realtime import snapshot as realtime_snapshot
from tests import factories
from tests.dns_server import NameServer

NAME = "sip.vendor.example"


@dataclass
class World:
    """One trunk with one name."""

    server: NameServer
    node: Node
    trunk: Trunk
    host: TrunkHost
    now: datetime = field(default=datetime(2026, 11, 24, 12, tzinfo=UTC))

    def look(self) -> int:
        """Look everything up now, due or not; returns how many changes there were."""
        TrunkHost.objects.update(next_check_at=None)
        return vendor_lookups.run(lambda: self.now)

    def live(self, hours: float) -> None:
        """Let time pass, with a look in every half hour of it."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            self.now = min(self.now + timedelta(minutes=30), end)
            self.look()

    def fresh(self) -> TrunkHost:
        return TrunkHost.objects.get(pk=self.host.pk)

    def let_in(self) -> list[str]:
        """What both targets would let in for the trunk; they must agree."""
        rules = list(firewall_snapshot.take(self.node).vendors)
        facts, _ = realtime_snapshot.take(self.node)
        rows = {cidr for trunk in facts.trunks for cidr in trunk.networks}
        assert rows == set(rules)
        return sorted(cidr.removesuffix("/32").removesuffix("/128") for cidr in rows)

    def reasons(self) -> list[str]:
        """Why deployments were asked for since the last call; each took one generation."""
        rows = list(Deployment.objects.filter(node=self.node).order_by("pk"))
        assert all(row.edits == 1 for row in rows)
        Deployment.objects.all().delete()
        return [row.reason for row in rows]


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def world(
    name_server: NameServer, settings: object, monkeypatch: pytest.MonkeyPatch, db: None
) -> World:
    settings.DNS_SERVERS = [name_server.address]  # type: ignore[attr-defined]
    monkeypatch.setattr(dns, "QUESTION", 0.3)
    monkeypatch.setattr(dns, "NAME", 0.6)
    node = factories.node()
    trunk = factories.trunk(node, name="London")
    return World(name_server, node, trunk, factories.host(trunk, NAME))
