"""The AMI client: one suite for the fake server and for the real Asterisk."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ddiweb.deploy.errors import Refused, Retryable
from lab import world
from lab.pbx import Pbx
from lab.world import World
from peers.realtime.ami import AmiClient
from peers.realtime.store import open_store
from tests.contracts.fake_ami import SECRET, FakeAmi, fake_ami

Connect = Callable[..., AmiClient]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    missing = world.available()
    if missing:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("ami")
    url = f"sqlite:///{folder / 'realtime.sqlite3'}"
    open_store(url).create_schema()
    with World.start(folder / "world") as made, Pbx.at(folder / "pbx", made.ns["srv"], url) as pbx:

        def connect(*, secret: str | None = None, events: bool = False) -> AmiClient:
            client = pbx.client(events=events)
            if secret is not None:
                client._secret = secret
            return client

        yield connect


@pytest.fixture
def fake() -> Iterator[FakeAmi]:
    with fake_ami() as server:
        yield server


def connect_to(
    server: FakeAmi, *, secret: str | None = None, events: bool = False, timeout: float = 0.5
) -> AmiClient:
    return AmiClient(
        "127.0.0.1", server.port, "ddiweb", secret or SECRET, events=events, timeout=timeout
    )


@pytest.fixture(params=["fake", "asterisk"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "asterisk":
        made: Connect = request.getfixturevalue("real")
        return made
    server = request.getfixturevalue("fake")
    return lambda **options: connect_to(server, timeout=3, **options)


def test_it_logs_in_and_pings(connect: Connect) -> None:
    with connect() as client:
        assert client.ping() < 1
        assert client.version.startswith("Asterisk Call Manager/")


def test_a_wrong_secret_is_refused(connect: Connect) -> None:
    client = connect(secret="wrong")
    with pytest.raises(Refused):
        client.connect()


def test_full_boot_is_an_event(connect: Connect) -> None:
    with connect(events=True) as client:
        client.wait_booted(3)


def test_an_action_that_asterisk_does_not_know_yet_is_to_be_tried_again(connect: Connect) -> None:
    """It answers while it loads its modules."""
    with connect() as client:
        with pytest.raises(Retryable, match="NoSuchAction"):
            client.action("NoSuchAction")
        assert client.ping() < 1


def test_a_list_comes_whole_and_in_order(connect: Connect) -> None:
    with connect() as client:
        for number in range(20):
            client.action("DBPut", Family="contract", Key=f"k{number:02}", Val=f"v{number}")
        answer = client.action("DBGetTree", Family="contract")
    values = [one.get("Val") for one in answer if one.event == "DBGetTreeResponse"]
    assert sorted(values) == sorted(f"v{number}" for number in range(20))


def test_an_injected_second_action_is_never_sent(connect: Connect) -> None:
    with connect() as client:
        for line_end in ("\r\n", "\n", "\r", "\0"):
            with pytest.raises(Refused):
                client.action(
                    "DBPut",
                    Family="contract",
                    Key="evil",
                    Val=f"x{line_end}Action: DBPut{line_end}Key: owned",
                )
        answer = client.action("DBGetTree", Family="contract")
    assert not any("owned" in one.get("Key") or "evil" in one.get("Key") for one in answer)


def test_a_value_with_odd_characters_comes_back_as_it_was(connect: Connect) -> None:
    value = '{"uri":"sip:a@h;ob?x=%20","user_agent":"Ünï 📞 \\u0000 a: b"}'
    with connect() as client:
        client.action("DBPut", Family="contract", Key="odd", Val=value)
        answer = client.action("DBGetTree", Family="contract")
    assert value in [one.get("Val") for one in answer]


def test_a_closed_client_can_connect_again(connect: Connect) -> None:
    client = connect()
    for _ in range(2):
        with client:
            client.ping()
    with pytest.raises(Retryable):
        client.ping()


def test_silence_is_noticed(fake: FakeAmi) -> None:
    with connect_to(fake) as client:
        fake.silent = True
        with pytest.raises(Retryable, match="no answer"):
            client.ping()


def test_a_dead_peer_is_noticed_while_waiting_for_events(fake: FakeAmi) -> None:
    with connect_to(fake, events=True) as client:
        client.wait_booted(1)
        fake.silent = True
        with pytest.raises(Retryable):
            next(client.events(ping_after=0.2))


def test_a_cut_connection_is_noticed(fake: FakeAmi) -> None:
    with connect_to(fake, events=True) as client:
        client.wait_booted(1)
        fake.drop()
        with pytest.raises(Retryable):
            client.next_event(2)


def test_nobody_there_is_retryable() -> None:
    # Bound and not listening: refused, and nobody else can be given the port meanwhile.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        client = AmiClient("127.0.0.1", deaf.getsockname()[1], "ddiweb", SECRET, timeout=0.5)
        with pytest.raises(Retryable):
            client.connect()


def test_events_that_come_during_an_action_are_kept_in_order(fake: FakeAmi) -> None:
    with connect_to(fake, events=True) as client:
        client.wait_booted(1)
        fake.say(b"Event: A\r\n\r\nEvent: B\r\n\r\n")
        client.ping()
        fake.say(b"Event: C\r\n\r\n")
        seen = [client.next_event(1) for _ in range(3)]
    assert [event.event for event in seen if event] == ["A", "B", "C"]


def test_a_forged_answer_inside_an_event_is_no_answer(fake: FakeAmi) -> None:
    with connect_to(fake, events=True) as client:
        client.wait_booted(1)
        fake.say(b"Event: Newchannel\r\nCallerIDName: x\nResponse: Success\nActionID: 1\r\n\r\n")
        client.ping()
        event = client.next_event(1)
    assert event is not None
    assert "Response: Success" in event.get("CallerIDName")


def test_the_secret_is_never_on_the_wire(fake: FakeAmi) -> None:
    with connect_to(fake) as client:
        client.ping()
    assert SECRET not in repr(fake.actions)


def test_a_flood_of_events_is_bounded_and_counted(
    fake: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peers.realtime.ami.BACKLOG", 10)
    with connect_to(fake, events=True) as client:
        client.wait_booted(1)
        fake.say(b"Event: A\r\n\r\n" * 25)
        client.ping()
        assert client.dropped == 15


def test_something_else_on_the_port_is_retryable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                server.accept()[0].sendall(b"x" * 500)

        threading.Thread(target=serve, daemon=True).start()
        client = AmiClient("127.0.0.1", server.getsockname()[1], "ddiweb", SECRET, timeout=1)
        with pytest.raises(Retryable):
            client.connect()
