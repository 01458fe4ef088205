"""From an incident to a ban or a quarantine, with the agent in memory."""

from typing import Any

import pytest

from ddiweb.deploy.errors import Retryable
from ddiweb.deploy.models import Node
from ddiweb.live import dashboard
from ddiweb.live.models import SecurityEvent
from firewall.ban_models import Ban
from firewall.channel import AgentChannel
from firewall.sentry import Sentry
from peers import services
from peers.choices import LeakKind, TokenState
from peers.models import Peer, TokenLeak
from peers.realtime.events import Incident
from tests import factories
from tests.db.panel import client, pending, person, settle
from tests.db.test_bans import contact

pytestmark = [pytest.mark.db, pytest.mark.django_db]
STRANGER = "198.51.100.66"


class Agent(AgentChannel):
    """Remembers what it was told; knows whose each address is."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.told: dict[str, int] = {}
        self.marks: dict[str, int] = {}
        self.away = False

    def _ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        if self.away:
            raise Retryable("agent: away")
        if verb == "jail":
            self.told |= {one["network"]: one["seconds"] for one in fields["entries"]}
            return {"refused": {}}
        return {"whose": {"mark": self.marks.get(fields.get("address", ""), 0)}}[verb]


@pytest.fixture
def node() -> Node:
    made = factories.node(ban_failures=3, ban_seconds=900)
    settle()
    return made


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def sentry(node: Node, agent: Agent) -> Sentry:
    return Sentry(node, agent)


@pytest.fixture
def peer(node: Node) -> Peer:
    made = factories.peer(node, name="Ada")
    services.peer_created(made)
    settle()
    return made


def fail(
    sentry: Sentry, address: str = STRANGER, times: int = 1, kind: str = "wrong_password"
) -> None:
    for _ in range(times):
        sentry.heard(Incident(kind, "ada", address, 5060))


def test_the_threshold_bans_and_one_less_does_not(sentry: Sentry, agent: Agent) -> None:
    fail(sentry, times=2)
    before = dict(agent.told)
    fail(sentry)
    assert (before, agent.told) == ({}, {f"{STRANGER}/32": 900})
    row = Ban.objects.get()
    assert (row.reason, row.source, row.note) == (
        "wrong_password",
        "watch",
        "3 failures within 600 s",
    )


def test_every_incident_is_stored_whether_or_not_it_bans(sentry: Sentry) -> None:
    fail(sentry, times=5)
    assert SecurityEvent.objects.filter(kind="wrong_password").count() == 5


def test_what_was_on_its_way_makes_no_second_ban(sentry: Sentry) -> None:
    fail(sentry, times=30)
    assert Ban.objects.count() == 1


def test_an_ipv6_host_is_counted_by_its_64(sentry: Sentry, agent: Agent) -> None:
    for n in range(3):
        fail(sentry, f"2001:db8:1:2::{n + 1}")
    assert list(agent.told) == ["2001:db8:1:2::/64"]


def test_many_addresses_that_fail_once_ban_nobody(sentry: Sentry) -> None:
    for n in range(50):
        fail(sentry, f"198.51.100.{n}")
    assert not Ban.objects.exists()


@pytest.mark.parametrize("kind", ["bad_format", "not_allowed", "unexpected_address"])
def test_what_proves_no_guessing_does_not_count(sentry: Sentry, kind: str) -> None:
    fail(sentry, times=9, kind=kind)
    assert not Ban.objects.exists()


@pytest.mark.parametrize("address", ["", "x", "127.0.0.1", "::1", "fe80::1", "1.2.3.4/8"])
def test_what_is_no_strangers_address_is_stored_and_bans_nobody(
    sentry: Sentry, address: str
) -> None:
    fail(sentry, address, times=9)
    assert (Ban.objects.count(), SecurityEvent.objects.count()) == (0, 9)


def test_a_ban_is_a_row_though_the_agent_is_away(sentry: Sentry, agent: Agent) -> None:
    agent.away = True
    fail(sentry, times=3)
    assert Ban.objects.get().active


def test_an_address_with_a_phone_online_is_spared_and_the_log_names_the_phone(
    node: Node, sentry: Sentry, agent: Agent
) -> None:
    contact(node, f"{STRANGER}:40000", name="Bob")
    fail(sentry, times=9)
    assert (Ban.objects.count(), agent.told) == (0, {})
    event = SecurityEvent.objects.get(kind="spared_phone_online")
    assert (event.account, event.address) == ("Bob", STRANGER)


def test_the_list_of_bans_shows_who_was_spared(node: Node, sentry: Sentry) -> None:
    contact(node, f"{STRANGER}:40000", name="Bob")
    fail(sentry, times=3)
    page = client().get("/firewall/ban/").content.decode()
    assert "Bob" in page
    assert STRANGER in page


def test_a_vendor_is_spared(node: Node, sentry: Sentry, agent: Agent) -> None:
    factories.trunk(node, f"{STRANGER}/32")
    fail(sentry, times=3)
    assert agent.told == {}
    assert SecurityEvent.objects.filter(kind="spared_guarded").count() == 1


def test_passwords_that_fail_from_two_places_quarantine_the_token_alone(
    node: Node, sentry: Sentry, agent: Agent, peer: Peer
) -> None:
    other = factories.peer(node)
    services.peer_created(other)
    settle()
    agent.marks = {STRANGER: peer.tokens.get().mark, "192.0.2.7": peer.tokens.get().mark}
    fail(sentry, times=2)
    assert peer.tokens.get().state == TokenState.ISSUED
    fail(sentry, "192.0.2.7")
    token = peer.tokens.get()
    assert (token.state, token.reason) == (TokenState.REVOKED, "suspected leaked")
    assert other.tokens.get().state == TokenState.ISSUED
    assert [one.urgent for one in pending(node)] == [True]
    leak = TokenLeak.objects.get()
    assert (leak.kind, leak.places) == (LeakKind.PASSWORDS, ["192.0.2.0/24", "198.51.100.0/24"])


def test_one_phone_with_a_wrong_password_in_one_place_keeps_its_token(
    sentry: Sentry, agent: Agent, peer: Peer
) -> None:
    mark = peer.tokens.get().mark
    agent.marks = {f"198.51.100.{n}": mark for n in range(20)}
    for address in agent.marks:
        fail(sentry, address)
    assert peer.tokens.get().state == TokenState.ISSUED


def test_a_token_alive_in_four_places_is_quarantined(sentry: Sentry, peer: Peer) -> None:
    mark = peer.tokens.get().mark
    nets = {f"10.0.{n}.0/24": 0 for n in range(4)}
    for now in (0, 10):
        sentry.judge_places(now, {mark: nets})
    assert peer.tokens.get().state == TokenState.ISSUED
    sentry.judge_places(20, {mark: nets})
    assert peer.tokens.get().state == TokenState.REVOKED


def test_three_places_are_a_family_and_no_leak(sentry: Sentry, peer: Peer) -> None:
    mark = peer.tokens.get().mark
    for now in range(0, 100, 10):
        sentry.judge_places(now, {mark: {f"10.0.{n}.0/24": 0 for n in range(3)}})
    assert peer.tokens.get().state == TokenState.ISSUED


def test_a_mark_that_no_token_has_quarantines_nothing(sentry: Sentry, peer: Peer) -> None:
    for now in range(0, 50, 10):
        sentry.judge_places(now, {999: {f"10.0.{n}.0/24": 0 for n in range(9)}})
    assert not TokenLeak.objects.exists()


def test_the_alarm_stands_until_a_new_token_is_issued(sentry: Sentry, peer: Peer) -> None:
    mark = peer.tokens.get().mark
    for now in range(0, 30, 10):
        sentry.judge_places(now, {mark: {f"10.0.{n}.0/24": 0 for n in range(4)}})
    root = person()
    browser = client(root)
    page = f"/peers/peer/{peer.pk}/change/"
    assert "token leaked?" in browser.get("/").content.decode()
    assert not dashboard.read(root).calm
    shown = browser.get(page).content.decode()
    assert "in use in 4 places at once: 10.0.0.0/24" in shown
    assert "Issue a new token" in shown
    services.rotate([peer])
    assert "token leaked?" not in browser.get("/").content.decode()
    assert "Issue a new token" not in browser.get(page).content.decode()


def test_a_dry_node_bans_nobody(sentry: Sentry, agent: Agent) -> None:
    sentry.node.dry_run = True
    fail(sentry, times=9)
    assert (Ban.objects.count(), SecurityEvent.objects.count()) == (0, 9)
