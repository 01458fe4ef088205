"""Who and what comes in to the agent: files of others are refused, and nobody takes all places."""

import socket
import struct
import threading
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused, Retryable
from firewall.agent import doors, protocol
from firewall.agent.config import Config
from firewall.agent.state import State


def test_a_configuration_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.json"
    path.write_text("{}")
    path.chmod(0o662)
    with pytest.raises(Refused, match="others may write"):
        Config.load(path)


def test_a_configuration_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="configuration"):
        Config.load(Path("/dev/null"))


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_state_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(Refused, match="state_dir"):
        State(folder)


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    with pytest.raises(Refused, match="is not a folder"):
        State(tmp_path / "state")


def test_what_is_no_socket_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("something of somebody's")
    with pytest.raises(Refused, match="is no socket"):
        doors.listen(path)
    assert path.exists()


def test_a_link_in_the_sockets_place_is_refused_and_its_end_untouched(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    (tmp_path / "agent.sock").symlink_to(tmp_path / "other")
    with pytest.raises(Refused, match="is no socket"):
        doors.listen(tmp_path / "agent.sock")
    assert (tmp_path / "other").read_text() == "x"


def test_a_dead_agents_socket_is_replaced_and_open_to_its_group_alone(tmp_path: Path) -> None:
    doors.listen(tmp_path / "agent.sock").close()
    with doors.listen(tmp_path / "agent.sock"):
        assert (tmp_path / "agent.sock").stat().st_mode & 0o777 == 0o660


def test_one_user_leaves_places_to_the_others() -> None:
    places = doors.Places()
    for _ in range(doors.MAX_OF_ONE):
        places.take(1000)
    with pytest.raises(Retryable):
        places.take(1000)
    places.take(1001)
    places.leave(1000)
    places.take(1000)


def test_all_users_together_have_so_many_places() -> None:
    places = doors.Places()
    for uid in range(doors.MAX_CONNECTIONS):
        places.take(uid)
    with pytest.raises(Retryable):
        places.take(99)


def test_long_messages_are_held_two_at_once() -> None:
    places = doors.Places()
    with places.big() as one, places.big() as two:
        one.take(4_000_000, 0)
        two.take(4_000_000, 0)
        with places.big() as three:
            three.take(doors.SMALL, 0)
            with pytest.raises(Retryable):
                three.take(doors.SMALL + 1, 0.01)
    with places.big() as four:
        four.take(4_000_000, 0)


def test_a_long_message_is_not_read_before_there_is_room() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", 100_000))

        def refuse(size: int, seconds: float) -> None:
            raise Retryable(f"no room for {size}")

        with pytest.raises(Retryable, match="100000"):
            protocol.receive(ours, admit=refuse)


def test_a_message_that_trickles_in_is_given_up_in_time() -> None:
    ours, theirs = socket.socketpair()
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(0.02):
            try:
                theirs.sendall(b"\x00")
            except OSError:
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        theirs.sendall(struct.pack(">I", 4_000_000))
        with pytest.raises(protocol.Hangup):
            protocol.receive(ours, seconds=0.2)
    finally:
        ended.set()
        thread.join()
        ours.close()
        theirs.close()
