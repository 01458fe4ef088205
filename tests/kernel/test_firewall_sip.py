"""Which SIP datagrams reach the server: real packets, both backends, both families."""

import os
from collections.abc import Sequence

import pytest

from lab.tools import tool
from tests.kernel.bench import (
    PHONE,
    SIP,
    SITE,
    SRV,
    STRANGER,
    Bench,
    register,
    token,
)

pytestmark = pytest.mark.kernel
FIRST = token(1).value
#: Of a token in an INVITE: all of them with DDIWEB_TEST_SCALE=full, else those about the first edge
#: of two fragments and each 97th.
OFFSETS: Sequence[int] = range(3200 - 88)
if os.environ.get("DDIWEB_TEST_SCALE") != "full":
    OFFSETS = sorted({*range(1340, 1440), *OFFSETS[::97]})
RESPONSE = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n"


def _send(bench: Bench, family: int, data: bytes, source: str = "") -> None:
    out = bench.hands["attacker"].udp(family, source or STRANGER[family])
    out.send(data, SRV[family], SIP)
    out.close()


@pytest.mark.parametrize(
    "data",
    [
        register(),
        register("ddi-aaaaaaaa-" + FIRST[13:]),
        register(SITE),
        register(FIRST[:-1]),
        register(FIRST[:-1] + "%"),
        register(FIRST.upper()),
        register(SITE + "a" * 26),
        register(SITE + FIRST[-26:][::-1]),
        RESPONSE,
        b"\r\n\r\n",
        b"\x00",
    ],
    ids=[
        "no token",
        "another site",
        "site prefix alone",
        "one character short",
        "last character wrong",
        "upper case",
        "unknown token",
        "reversed",
        "response out of nowhere",
        "keep-alive out of nowhere",
        "one byte",
    ],
)
def test_a_stranger_reaches_nothing(bench: Bench, family: int, data: bytes) -> None:
    _send(bench, family, data)
    assert bench.arrived(family) == []


def test_a_stranger_leaves_no_conntrack_entry(bench: Bench, family: int) -> None:
    for _ in range(50):
        _send(bench, family, register())
    listed = bench.run("conntrack", "-L", "-p", "udp", "-f", f"ipv{family}")
    assert STRANGER[family] not in listed


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_token_is_admitted_wherever_it_stands(bench: Bench, family: int, place: str) -> None:
    plain, secret = register(), FIRST.encode()
    cut = {"start": 0, "middle": len(plain) // 2, "end": len(plain)}[place]
    _send(bench, family, plain[:cut] + secret + plain[cut:], PHONE[family])
    assert len(bench.arrived(family)) == 1


def test_a_token_at_each_offset_of_a_fragmented_invite_is_admitted(
    bench: Bench, family: int
) -> None:
    secret, size = FIRST.encode(), 3200  # three fragments
    head, tail = b"INVITE sip:+442079460123@pbx.example SIP/2.0\r\n", b"\r\n\r\n"
    room = size - len(head) - len(secret) - len(tail)
    for offset in OFFSETS:
        body = b"x" * offset + secret + b"y" * (room - offset)
        _send(bench, family, head + body + tail, PHONE[family])
    assert len(bench.arrived(family)) == len(OFFSETS)


def test_a_datagram_over_the_length_guard_is_dropped_despite_its_token(
    bench: Bench, family: int
) -> None:
    _send(bench, family, register(FIRST, size=5000), PHONE[family])
    assert bench.arrived(family) == []


def test_a_marked_flow_passes_ack_bye_and_keepalive_without_a_token(
    bench: Bench, family: int
) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    rest = [
        b"ACK sip:x SIP/2.0\r\n\r\n",
        b"BYE sip:x SIP/2.0\r\n\r\n",
        b"\r\n\r\n",
        b"\x00",
        RESPONSE,
    ]
    for data in rest:
        phone.send(data, SRV[family], SIP)
    assert bench.arrived(family)[1:] == rest


def test_another_flow_of_a_proven_address_needs_its_own_token(bench: Bench, family: int) -> None:
    _send(bench, family, register(FIRST), PHONE[family])
    _send(bench, family, register(), PHONE[family])
    assert len(bench.arrived(family)) == 1


def test_a_vendor_needs_no_token(bench: Bench, family: int) -> None:
    bench.vendor[family].send(b"INVITE sip:1 SIP/2.0\r\n\r\n", SRV[family], SIP)
    assert bench.arrived(family) == [b"INVITE sip:1 SIP/2.0\r\n\r\n"]


def test_sip_over_tcp_is_open_to_vendors_alone(bench: Bench, family: int) -> None:
    seen = {name: bench.connect(name, family, SIP) for name in ("vendor", "attacker", "admin")}
    assert seen == {"vendor": "open", "attacker": "silence", "admin": "silence"}


def test_a_ban_shuts_out_even_a_token(bench: Bench, family: int) -> None:
    wide = f"{PHONE[family]}/{32 if family == 4 else 128}"
    bench.apply(bans=(wide,))
    _send(bench, family, register(FIRST), PHONE[family])
    assert bench.arrived(family) == []


def test_an_unmarked_reply_flow_passes_responses_only(bench: Bench, family: int) -> None:
    stranger = bench.hands["attacker"].udp(family, STRANGER[family])
    bench.sip[family].send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", STRANGER[family], stranger.port)
    stranger.send(b"INVITE sip:1 SIP/2.0\r\n\r\n", SRV[family], SIP)
    stranger.send(RESPONSE, SRV[family], SIP)
    assert bench.arrived(family) == [RESPONSE]


def test_an_ipv6_extension_header_does_not_disguise_a_request_as_a_response(bench: Bench) -> None:
    """Its bytes lie where a response's first word would: at 48 from the IP header."""
    header = bytes([0, 1, 0x1E, 12]) + b"\x00" * 4 + b"SIP/" + b"\x00" * 4
    stranger = bench.hands["attacker"].udp(6, STRANGER[6], options=header)
    bench.sip[6].send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", STRANGER[6], stranger.port)
    stranger.send(b"INVITE sip:1 SIP/2.0\r\n\r\n", SRV[6], SIP)
    assert bench.arrived(6) == []


def test_an_ipv6_extension_header_does_not_keep_a_token_out(bench: Bench) -> None:
    header = bytes([0, 1, 0x1E, 12]) + b"\x00" * 12
    phone = bench.hands["attacker"].udp(6, PHONE[6], options=header)
    phone.send(register(FIRST), SRV[6], SIP)
    assert len(bench.arrived(6)) == 1


def test_neighbour_discovery_passes(bench: Bench) -> None:
    ip = tool("ip")
    for name in ("srv", "vendor"):
        bench.world.run(name, ip.line("-6", "neigh", "flush", "dev", "eth0"), env=ip.env)
    bench.vendor[6].send(b"INVITE sip:1 SIP/2.0\r\n\r\n", SRV[6], SIP)
    assert len(bench.sip[6].receive(wait=3.0, until=b"INVITE sip:1 SIP/2.0\r\n\r\n")) == 0


def test_packets_with_a_token_are_counted_by_its_mark(bench: Bench, family: int) -> None:
    before = bench.channel.status()["counters"].get("2", 0)
    for _ in range(3):
        _send(bench, family, register(token(2).value), PHONE[family])
    assert bench.channel.status()["counters"]["2"] - before == 3


def test_each_of_many_tokens_gets_its_own_mark(bench: Bench, family: int) -> None:
    many = tuple(token(mark) for mark in range(1, 121))
    bench.apply(tokens=many)
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    wrong = {}
    for one in many:
        phone.send(register(one.value), SRV[family], SIP)
        listed = bench.run(
            *("conntrack", "-L", "-p", "udp", "-f", f"ipv{family}"),
            *("--sport", str(phone.port), "--mark", f"{0x40000000 | one.mark:#x}/0x7fffffff"),
        )
        if PHONE[family] not in listed:
            wrong[one.mark] = listed
    assert wrong == {}
