"""What the watch stores of channels and trunks, and what the first page says of it."""

from datetime import UTC, datetime

import pytest

from ddiweb.live import record, record_state
from ddiweb.live.models import Channel, TrunkState
from peers.models import Peer
from peers.realtime.channels import Channel as Seen
from peers.realtime.trunk_states import Reach, Registered
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]
BEGUN = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def peer() -> Peer:
    return factories.peer(factories.node())


def leg(number: int, endpoint: str, **changes: object) -> Seen:
    values = {
        "unique_id": f"1.{number}", "call_id": "1.1", "endpoint": endpoint, "caller": "+44163",
        "number": "44207", "state": "Ringing", "talking": False, "started_at": BEGUN,
    }  # fmt: skip
    return Seen(**(values | changes))  # type: ignore[arg-type]


def test_channels_are_those_of_the_last_list(peer: Peer) -> None:
    record_state.channels(peer.node, [leg(1, "trunk_1"), leg(2, peer.username)])
    record_state.channels(peer.node, [leg(2, peer.username, state="Up", talking=True)])
    row = Channel.objects.get()
    assert (row.endpoint, row.state, row.talking) == (peer.key, "Up", True)


def test_hostile_text_in_a_channel_is_cut_and_cleaned(peer: Peer) -> None:
    record_state.channels(peer.node, [leg(1, "trunk_1", caller="\r\nX: y" + "9" * 200)])
    assert Channel.objects.get().caller == ("X: y" + "9" * 200)[:80]


def test_a_trunk_says_since_when_it_is_down(peer: Peer) -> None:
    record_state.trunks(peer.node, {"trunk_1": (Registered(), Reach(True, 900))})
    record_state.trunks(peer.node, {"trunk_1": (Registered(), Reach(False, None, ("a:5060",)))})
    since = TrunkState.objects.get().changed_at
    record_state.trunks(peer.node, {"trunk_1": (Registered(), Reach(False, None, ("a:5060",)))})
    row = TrunkState.objects.get()
    assert (row.down, row.cause, row.changed_at) == (True, "does not answer", since)


@pytest.mark.parametrize(
    ("registration", "answers", "cause"),
    [
        ("registered", None, ""),
        ("", None, ""),
        ("unregistered", True, ""),
        ("rejected", True, "answers, and refuses the registration: user name or password"),
        ("rejected", None, "refuses the registration, or does not answer it"),
        ("rejected", False, "does not answer"),
        ("registered", False, "does not answer"),
    ],
)
def test_a_trunk_that_is_down_says_why(registration: str, answers: bool | None, cause: str) -> None:
    state = TrunkState(registration=registration, answers=answers)
    assert (state.cause, state.down) == (cause, bool(cause))


@pytest.mark.parametrize(
    ("silent", "refusing", "faults"),
    [
        ([], [], ""),
        (["a:1"], [], "a:1 does not answer"),
        (["a:1", "b:1"], ["a:1"], "a:1, b:1 do not answer"),
        (
            ["a:1"],
            ["b:1"],
            "a:1 does not answer; b:1 refuses the registration, or did not answer it",
        ),
    ],
)
def test_a_trunk_names_its_hosts_that_are_dead(
    silent: list[str], refusing: list[str], faults: str
) -> None:
    state = TrunkState(answers=True, silent_hosts=silent, refusing_hosts=refusing)
    assert (state.down, state.faults) == (False, faults)


def test_a_trunk_that_is_gone_has_no_state(peer: Peer) -> None:
    record_state.trunks(peer.node, {"trunk_1": (Registered(), Reach())})
    record_state.trunks(peer.node, {})
    assert not TrunkState.objects.exists()


@pytest.mark.parametrize(
    ("uri", "transport"),
    [
        ("sip:a@198.51.100.7:4000;ob", "udp"),
        ("sip:a@198.51.100.7:4000;transport=TCP;ob", "tcp"),
        ("sip:a@198.51.100.7:4000;transport=tls", "tls"),
        ("sips:a@198.51.100.7", "tls"),
        ("sip:a@198.51.100.7;transport=tlsx", "udp"),
    ],
)
def test_a_contacts_transport_is_told_by_its_uri(uri: str, transport: str) -> None:
    assert record.transport_of(uri) == transport
