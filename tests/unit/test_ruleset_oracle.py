"""The oracle: each sentence of the policy, without a kernel."""

from typing import Any

import pytest

from firewall.ruleset.memory import Memory, Verdict
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet, packets
from firewall.ruleset.types import Intent, Management, Token
from firewall.ruleset.values import Invalid

pytestmark = pytest.mark.unit
SITE = "ddi-abcdefgh-"
FIRST, SECOND = SITE + "a" * 25 + "2", SITE + "b" * 25 + "3"
MANAGEMENT = Management(("203.0.113.100/32", "2001:db8:113::100/128"), (22,))
PEER = {4: "203.0.113.66", 6: "2001:db8:113::66"}
HOST = {4: "203.0.113.10", 6: "2001:db8:113::10"}
VENDOR = {4: "203.0.113.20", 6: "2001:db8:113::20"}


def intent(**changes: Any) -> Intent:
    plain = {
        "generation": 1,
        "sip_port": 5060,
        "rtp_first": 10_000,
        "rtp_last": 10_100,
        "management": (),
        "management_ports": (),
        "vendors": ("203.0.113.20/32", "2001:db8:113::20/128"),
        "bans": (),
        "site_prefix": SITE,
        "tokens": (Token(1, FIRST), Token(2, SECOND)),
        "revoked": (),
    }
    return Intent(**plain | changes)  # type: ignore[arg-type]


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request: pytest.FixtureRequest) -> Any:
    return request.param


def packet(family: Any, payload: str = "", port: int = 5060, **values: Any) -> Packet:
    plain = {"source": PEER[family], "destination": HOST[family], "source_port": 4000}
    plain |= {"protocol": "udp", "destination_port": port, "payload": payload.encode()}
    return Packet(family=family, **plain | values)


def verdict(*asked: Packet, memory: Memory | None = None, **changes: Any) -> Verdict:
    oracle = Oracle(intent(**changes), MANAGEMENT, memory)
    return [oracle.judge(one) for one in asked][-1]


def test_a_packet_without_a_token_is_dropped_and_says_so(family: Any) -> None:
    found = verdict(packet(family, "REGISTER"))
    assert found == Verdict(False, ("SIP over UDP", "no token"))


def test_a_live_token_is_accepted_with_its_mark(family: Any) -> None:
    found = verdict(packet(family, f"x{SECOND}x"))
    assert found == Verdict(True, ("SIP over UDP", "site prefix found", "token of mark 2"))


def test_a_token_that_is_not_live_is_dropped(family: Any) -> None:
    assert verdict(packet(family, SITE + "c" * 26)).path[-1] == "no live token"


def test_a_vendor_is_named_by_its_network(family: Any) -> None:
    found = verdict(packet(family, "INVITE", source=VENDOR[family]))
    assert found.path[-1].startswith(f"vendor {VENDOR[family]}/")


def test_a_ban_comes_before_a_token(family: Any) -> None:
    bans = ("203.0.113.64/26", "2001:db8:113::60/124")
    assert verdict(packet(family, FIRST), bans=bans).path[-1].startswith("ban ")


def test_a_vendor_comes_before_a_ban(family: Any) -> None:
    bans = ("203.0.113.0/24", "2001:db8:113::/64")
    assert verdict(packet(family, source=VENDOR[family]), bans=bans).accepted


def test_a_proven_flow_needs_no_second_token(family: Any) -> None:
    assert verdict(packet(family, FIRST), packet(family, "ACK")).path[-1] == "flow proven by mark 1"


def test_another_port_of_the_same_phone_is_another_flow(family: Any) -> None:
    assert not verdict(packet(family, FIRST), packet(family, "ACK", source_port=4001)).accepted


def test_a_newer_token_takes_a_flow_over(family: Any) -> None:
    found = verdict(packet(family, FIRST), packet(family, SECOND), packet(family, "ACK"))
    assert found.path[-1] == "flow proven by mark 2"


def test_a_flow_whose_token_was_revoked_is_a_strangers(family: Any) -> None:
    memory = Memory()
    verdict(packet(family, FIRST), memory=memory)
    later = {"tokens": (Token(2, SECOND),), "revoked": (1,)}
    found = verdict(packet(family, "ACK"), memory=memory, **later)
    assert found.path == ("SIP over UDP", "flow of revoked mark 1", "no token")


@pytest.mark.parametrize(("size", "passes"), [(4096, True), (4097, False)])
def test_a_stranger_is_searched_up_to_4096_bytes(family: Any, size: int, passes: bool) -> None:
    head = 28 if family == 4 else 48
    assert verdict(packet(family, FIRST.ljust(size - head))).accepted is passes


def test_a_response_passes_where_the_host_spoke_first(family: Any) -> None:
    asked = packet(family, "OPTIONS", way="out")
    assert verdict(asked, packet(family, "SIP/2.0 200 OK")).accepted


def test_a_request_does_not_pass_where_the_host_spoke_first(family: Any) -> None:
    assert not verdict(packet(family, way="out"), packet(family, "INVITE")).accepted


def test_a_response_behind_an_ipv6_option_is_not_taken_for_one() -> None:
    asked = packet(6, way="out")
    assert not verdict(asked, packet(6, "SIP/2.0 200 OK", extra=b"x")).accepted


def test_a_token_in_a_response_lets_nobody_in(family: Any) -> None:
    assert not verdict(packet(family, f"SIP/2.0 200 OK {FIRST}")).accepted


def test_a_newer_token_in_a_response_does_not_take_a_flow_over(family: Any) -> None:
    answer = packet(family, f"SIP/2.0 200 OK {SECOND}")
    found = verdict(packet(family, FIRST), answer, packet(family, "ACK"))
    assert found.path[-1] == "flow proven by mark 1"


def test_a_response_of_a_cut_address_is_dropped_though_the_host_asked(family: Any) -> None:
    asked = packet(family, "OPTIONS", way="out")
    memory = Memory(cut={PEER[family]})
    assert not verdict(asked, packet(family, "SIP/2.0 200 OK"), memory=memory).accepted


def test_rtp_passes_from_an_address_that_showed_a_token(family: Any) -> None:
    assert verdict(packet(family, FIRST), packet(family, port=10_000)).accepted


def test_rtp_from_elsewhere_is_dropped(family: Any) -> None:
    found = verdict(packet(family, port=10_000))
    assert found.path == ("RTP", "the address showed no token lately")


def test_rtp_of_a_cut_address_is_dropped_though_the_host_sends_to_it(family: Any) -> None:
    memory = Memory(cut={PEER[family]})
    asked = packet(family, port=10_000, way="out")
    assert not verdict(asked, packet(family, port=10_000), memory=memory).accepted


def test_an_administrator_reaches_a_management_port_alone(family: Any) -> None:
    source = MANAGEMENT.networks[family == 6].partition("/")[0]
    found = [
        verdict(packet(family, port=port, source=source, protocol="tcp", flags=("syn",))).accepted
        for port in (22, 5060, 8080)
    ]
    assert found == [True, False, False]


def test_sip_over_tcp_is_for_vendors(family: Any) -> None:
    found = [
        verdict(packet(family, source=source[family], protocol="tcp")).accepted
        for source in (VENDOR, PEER)
    ]
    assert found == [True, False]


@pytest.mark.parametrize(("hops", "passes"), [(255, True), (254, False)])
def test_neighbour_discovery_passes_from_the_link_alone(hops: int, passes: bool) -> None:
    found = verdict(packet(6, protocol="icmp", icmp_type=135, hop_limit=hops))
    assert found.accepted is passes


def test_an_icmp_error_passes_if_it_is_about_a_flow_of_the_host() -> None:
    asked = packet(4, port=53, way="out")
    errors = [
        packet(4, protocol="icmp", icmp_type=3, quotes=quotes) for quotes in ((53, 4000), (53, 1))
    ]
    assert [verdict(asked, error).accepted for error in errors] == [True, False]


def test_a_datagram_of_which_a_piece_is_missing_meets_no_rule(family: Any) -> None:
    assert not verdict(packet(family, FIRST, fragment=8, missing=True)).accepted


def test_a_packet_survives_json(family: Any) -> None:
    one = packet(family, FIRST, extra=b"\x00", fragment=8, quotes=(1, 2), flags=("syn",))
    assert packets([one.to_json()]) == [one]


def test_a_packet_that_is_shown_hides_its_token(family: Any) -> None:
    assert FIRST not in str(packet(family, FIRST)) + repr(packet(family, FIRST))


@pytest.mark.parametrize(
    "change",
    [
        {"family": 5},
        {"family": True},
        {"protocol": "sctp"},
        {"protocol": ["udp"]},
        {"source": "127.0.0.1"},
        {"source": "010.1.1.1"},
        {"source": "224.0.0.1"},
        {"source": "0.0.0.0"},  # noqa: S104
        {"source": "203.0.113.66\n"},
        {"source": "203.0.113.10"},
        {"source": "2001:db8::1"},
        {"source": 7},
        {"source_port": 0},
        {"destination_port": 65_536},
        {"destination_port": True},
        {"payload": "%"},
        {"payload": "A" * 80_004},
        {"extra": "AAAA" * 13},
        {"flags": ["ack", "ack"]},
        {"flags": ["ece"]},
        {"flags": [[]]},
        {"flags": "syn"},
        {"icmp_type": 256},
        {"hop_limit": 0},
        {"fragment": 7},
        {"fragment": -8},
        {"quotes": [1]},
        {"quotes": [1, 0]},
        {"quotes": "ab"},
        {"missing": 1},
        {"way": "through"},
        {"interface": "lo"},
    ],
    ids=lambda change: f"{next(iter(change))}={str(next(iter(change.values())))[:20]!r}",
)
def test_a_packet_of_another_kind_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        packets([packet(4, FIRST).to_json() | change])


@pytest.mark.parametrize("raw", [None, {}, [], [None], [[]]])
def test_packets_of_another_kind_are_refused(raw: Any) -> None:
    with pytest.raises(Invalid):
        packets(raw)


def test_more_packets_than_a_request_may_hold_are_refused() -> None:
    with pytest.raises(Invalid, match="1 to 64"):
        packets([packet(4, FIRST).to_json()] * 65)
