"""The oracle on what an administrator may choose: each sentence of the policy, without a kernel."""

from typing import Any

import pytest

from firewall.ruleset.memory import Memory, Verdict
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Service
from tests.unit.test_ruleset_oracle import FIRST, MANAGEMENT, PEER, SECOND, intent, packet, verdict

pytestmark = pytest.mark.unit
TLS = 5061
OPEN = {"tcp": True, "tls_port": TLS}


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request: pytest.FixtureRequest) -> Any:
    return request.param


def net(family: int) -> str:
    return f"{PEER[family]}/{32 if family == 4 else 128}"


def segment(family: Any, flags: str = "psh ack", payload: str = "", port: int = TLS) -> Packet:
    return packet(family, payload, port, protocol="tcp", flags=tuple(flags.split()))


def said(*asked: Packet, **changes: Any) -> Verdict:
    return verdict(*asked, **OPEN | changes)


def test_a_syn_passes_and_the_handshakes_end_does_not(family: Any) -> None:
    assert said(segment(family, "syn")).accepted
    assert not said(segment(family, "syn"), segment(family, "ack")).accepted


def test_a_syn_with_data_is_dropped(family: Any) -> None:
    assert not said(segment(family, "syn", FIRST)).accepted


def test_a_segment_with_a_token_opens_the_connection(family: Any) -> None:
    asked = (segment(family, "syn"), segment(family, payload=FIRST), segment(family, "ack"))
    assert said(*asked).path == ("SIP over TLS", "flow proven by mark 1")


def test_a_new_syn_is_a_new_connection(family: Any) -> None:
    before = (segment(family, "syn"), segment(family, payload=FIRST), segment(family, "syn"))
    assert not said(*before, segment(family, "ack")).accepted


def test_a_reset_passes_in_a_connection_alone(family: Any) -> None:
    assert said(segment(family, "syn"), segment(family, "rst")).accepted
    assert not said(segment(family, "rst")).accepted


@pytest.mark.parametrize("flags", ["", "fin", "syn fin", "fin psh urg"])
def test_flags_that_conntrack_does_not_know_are_dropped(family: Any, flags: str) -> None:
    assert not said(segment(family, "syn"), segment(family, flags, FIRST)).accepted


def test_a_revoked_connection_is_cut(family: Any) -> None:
    memory = Memory()
    said(segment(family, "syn"), segment(family, payload=FIRST), memory=memory)
    later = {"tokens": (), "revoked": (1,)}
    assert not said(segment(family, payload="BYE"), memory=memory, **later).accepted


def test_a_connection_proves_its_address_for_rtp(family: Any) -> None:
    memory = Memory()
    said(segment(family, "syn"), segment(family, payload=FIRST), memory=memory)
    memory.seen.clear()
    said(segment(family, payload="x"), memory=memory)
    assert memory.seen == {PEER[family]}


def test_without_tcp_only_its_own_port_serves_tls(family: Any) -> None:
    shut = segment(family, "syn", port=5060)
    assert said(shut, tcp=False).path[-1] == "not a vendor"
    assert said(segment(family, "syn"), tcp=False).accepted


def test_an_exception_needs_no_token_and_fears_no_ban(family: Any) -> None:
    changes = {"exceptions": (net(family),), "bans": (net(family),)}
    assert said(packet(family, "REGISTER"), **changes).path[-1].startswith("exception ")
    assert said(packet(family, port=10_000), **changes).accepted
    assert said(segment(family, "ack"), **changes).accepted


def test_the_jail_comes_before_a_token(family: Any) -> None:
    memory = Memory(jail={PEER[family]})
    assert said(packet(family, FIRST), memory=memory).path[-1] == "jailed by the agent"


def test_an_open_range_takes_audio_from_all_but_the_banned(family: Any) -> None:
    audio = packet(family, port=10_000)
    assert verdict(audio, open_rtp=True).accepted
    assert not verdict(audio, open_rtp=True, bans=(net(family),)).accepted


def test_a_service_is_open_to_its_network_alone(family: Any) -> None:
    asked = packet(family, port=53)
    elsewhere = "198.51.100.0/24" if family == 4 else "2001:db8:9::/48"
    found = [
        verdict(asked, services=(Service("udp", 50, 60, network),)).accepted
        for network in ("", net(family), elsewhere)
    ]
    assert found == [True, True, False]


def test_the_eleventh_token_in_unanswered_flows_is_throttled(family: Any) -> None:
    asked = [packet(family, FIRST, source_port=4000 + n) for n in range(11)]
    assert verdict(*asked[:10], throttle=True).accepted
    assert verdict(*asked, throttle=True).path[-1].startswith("throttled")
    assert verdict(*asked).accepted


def test_who_is_throttled_is_a_stranger_next(family: Any) -> None:
    asked = [packet(family, FIRST) for _ in range(11)]
    assert not verdict(*asked, packet(family, "ACK"), throttle=True).accepted


def test_a_foreign_phone_is_let_in_only_as_long_as_its_flow_lives(family: Any) -> None:
    memory = Memory()
    verdict(packet(family, FIRST), memory=memory)
    abroad = Oracle(intent(countries=("GB",)), MANAGEMENT, memory, lambda _: False)
    assert abroad.judge(packet(family, "ACK")).accepted
    new = packet(family, SECOND, source_port=4001)
    assert abroad.judge(new).path[-1] == "not from a chosen country"
