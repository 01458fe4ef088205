"""Which frames of IAX2 reach the server: real packets, both backends, both families."""

import struct
from collections.abc import Iterator

import pytest

from tests.kernel.bench import PHONE, SRV, STRANGER, VENDOR, Bench, token

pytestmark = pytest.mark.kernel
IAX = 4569
NEW, POKE, REGREQ, HANGUP = 0x01, 0x1E, 0x0D, 0x05
USERNAME, CALLTOKEN = 0x06, 0x36


def frame(subclass: int, secret: str = "", *, kind: int = 6, full: bool = True) -> bytes:
    """A full frame with a username and an empty call token (RFC 5456, 8.1.1 and 8.6)."""
    source = 0x8001 if full else 0x0001
    head = struct.pack("!HHIBBBB", source, 0, 3, 0, 0, kind, subclass)
    elements = bytes([USERNAME, len(secret)]) + secret.encode() if secret else b""
    return head + elements + bytes([CALLTOKEN, 0])


FIRST = token(1).value
VOICE = b"\x00\x01\x00\x14" + b"\xd5" * 160


class Door:
    """The server's IAX2 socket, and what of a flow's frames came to it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.sinks = {family: bench.hands["srv"].udp(family, port=IAX) for family in (4, 6)}

    def came(self, family: int) -> list[bytes]:
        """What reached the server; the SIP gate's own marker comes behind it."""
        self.bench.arrived(family)
        return [data for _, _, data in self.sinks[family].receive(wait=0.2)]

    def end(self) -> None:
        for sink in self.sinks.values():
            sink.close()


@pytest.fixture
def door(bench: Bench) -> Iterator[Door]:
    made = Door(bench)
    bench.apply(iax_port=IAX)
    yield made
    made.end()


@pytest.mark.parametrize("family", [4, 6])
def test_a_strangers_frames_do_not_reach_the_server(door: Door, family: int) -> None:
    sent = [
        frame(NEW), frame(REGREQ), frame(POKE), frame(NEW, "guest"), frame(REGREQ, FIRST[:-1]),
        VOICE, b"", b"\x80",
        # A token in what is no opening: a mini frame, a POKE, text, a cut frame.
        frame(NEW, FIRST, full=False), frame(POKE, FIRST), frame(NEW, FIRST, kind=7),
        FIRST.encode(),
    ]  # fmt: skip
    for data in sent:
        out = door.bench.hands["attacker"].udp(family, STRANGER[family])
        out.send(data, SRV[family], IAX)
        out.close()
    assert door.came(family) == []


@pytest.mark.parametrize("family", [4, 6])
def test_a_vendor_has_no_way_in_here(door: Door, family: int) -> None:
    out = door.bench.hands["vendor"].udp(family, VENDOR[family])
    out.send(frame(NEW, "anything"), SRV[family], IAX)
    assert door.came(family) == []
    out.close()


@pytest.mark.parametrize("family", [4, 6])
def test_a_token_as_the_username_opens_the_flow_for_signalling_and_audio(
    door: Door, family: int
) -> None:
    for subclass in (NEW, REGREQ):
        sent = [frame(subclass, FIRST), frame(POKE), VOICE, frame(HANGUP)]
        out = door.bench.hands["attacker"].udp(family, PHONE[family])
        for data in sent:
            out.send(data, SRV[family], IAX)
        assert door.came(family) == sent
        out.close()


@pytest.mark.parametrize("family", [4, 6])
def test_a_revoked_flow_is_silent_also_when_the_server_goes_on_sending(
    door: Door, family: int
) -> None:
    out = door.bench.hands["attacker"].udp(family, PHONE[family], 4569)
    out.send(frame(REGREQ, FIRST), SRV[family], IAX)
    assert door.came(family) == [frame(REGREQ, FIRST)]
    door.bench.apply(iax_port=IAX, tokens=(token(2),), revoked=(1,))
    door.sinks[family].send(frame(POKE), PHONE[family], 4569)
    for data in (VOICE, frame(POKE), frame(REGREQ, FIRST), frame(NEW, FIRST)):
        out.send(data, SRV[family], IAX)
    assert door.came(family) == []
    out.close()


def test_without_the_option_the_port_is_closed(door: Door) -> None:
    door.bench.apply()
    out = door.bench.hands["attacker"].udp(4, PHONE[4])
    out.send(frame(REGREQ, FIRST), SRV[4], IAX)
    assert door.came(4) == []
    out.close()
