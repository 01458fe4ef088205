"""Whose sockets are: by the kernel's own tables, here as it wrote them and of real sockets."""

import os
import socket
from pathlib import Path

import pytest

from peers.realtime import owners

HEAD = (
    "  sl  local_address rem_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n"
)
REST = "00000000:00000000 00:00000000 00000000"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine on which user 104 is Asterisk, and user 1000 nobody's friend."""
    tcp = [
        ("0100007F:13AE", "0100007F:C001", "01", 104, 11),  # 127.0.0.1:5038, with us
        ("0100007F:C001", "0100007F:13AE", "01", 999, 12),  # our end of it
        ("00000000:13C5", "00000000:0000", "0A", 104, 13),  # 0.0.0.0:5061
        ("0100007F:13C3", "00000000:0000", "0A", 104, 14),  # 127.0.0.1:5059
        ("00000000:13CF", "00000000:0000", "0A", 1000, 15),  # 0.0.0.0:5071
    ]
    udp = [
        ("00000000:13C4", "00000000:0000", "07", 104, 21),  # 0.0.0.0:5060
        ("0100007F:13CE", "00000000:0000", "07", 1000, 22),  # 127.0.0.1:5070
    ]
    for name, sockets in {"tcp": tcp, "udp": udp}.items():
        lines = [
            f"   0: {local} {remote} {state} {REST} {user:5} 0 {inode} 2 0 0\n"
            for local, remote, state, user, inode in sockets
        ]
        (tmp_path / name).write_text(HEAD + "".join(lines))
    nowhere = "0" * 32
    (tmp_path / "udp6").write_text(
        f"{HEAD}   0: {nowhere}:13CE {nowhere}:0000 07 {REST} 104 0 23 2 0 0\n"
    )
    return tmp_path


def test_asterisks_user_is_that_of_the_other_end(proc: Path) -> None:
    ours, other = ("127.0.0.1", 0xC001), ("127.0.0.1", 5038)
    assert owners.other_end(ours, other, proc) == 104
    assert owners.other_end(("127.0.0.1", 0xC002), other, proc) is None


def test_a_port_that_two_hold_is_of_both(proc: Path) -> None:
    assert owners.of_udp_port(5060, proc) == {104}
    assert owners.of_udp_port(5070, proc) == {104, 1000}
    assert owners.of_udp_port(5080, proc) == set()


def test_listeners_are_those_of_one_user_beyond_loopback(proc: Path) -> None:
    assert owners.listeners(104, proc) == {(5061, 13)}


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["4", "6"])
def test_this_kernels_own_tables_are_understood(family: socket.AddressFamily) -> None:
    here = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((here, 0), family=family) as server:
        at = server.getsockname()[:2]
        with socket.create_connection(at) as ours, server.accept()[0]:
            assert owners.other_end(ours.getsockname()[:2], at) == os.getuid()
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        line.bind((here, 0))
        assert owners.of_udp_port(line.getsockname()[1]) == {os.getuid()}
