"""RTP, revocation and the administrator's way in: real packets, both backends, both families."""

import pytest

from tests.kernel.bench import (
    ADMIN,
    PHONE,
    RTP,
    SIP,
    SRV,
    SSH,
    STRANGER,
    VENDOR,
    Bench,
    intent,
    register,
    token,
)

pytestmark = pytest.mark.kernel
FIRST, SECOND = token(1).value, token(2).value
VOICE = b"\x80\x00voice"


def test_rtp_of_a_stranger_is_dropped(bench: Bench, family: int) -> None:
    stranger = bench.hands["attacker"].udp(family, STRANGER[family])
    stranger.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == []


def test_rtp_of_an_address_that_proved_a_token_passes(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    voice = bench.hands["attacker"].udp(family, PHONE[family])
    voice.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]


def test_rtp_of_a_vendor_passes(bench: Bench, family: int) -> None:
    bench.vendor[family].send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]


def test_rtp_in_answer_to_the_servers_own_passes(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, STRANGER[family])
    bench.rtp[family].send(VOICE, STRANGER[family], phone.port)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]


def test_a_marked_rtp_flow_outlives_the_proof(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    bench.run("ipset", "flush", f"ddi-seen{family}")
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE, VOICE]


def test_packets_without_a_token_do_not_renew_the_proof(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    bench.run("ipset", "flush", f"ddi-seen{family}")
    phone.send(b"\r\n\r\n", SRV[family], SIP)
    assert PHONE[family] not in bench.run("ipset", "list", f"ddi-seen{family}")


def test_a_revoked_flow_is_cut_when_apply_returns(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    bench.arrived(family)
    bench.apply(tokens=(token(2),), revoked=(1,))
    for data in (b"\r\n\r\n", register(), register(FIRST), b"BYE sip:x SIP/2.0\r\n\r\n"):
        phone.send(data, SRV[family], SIP)
    assert bench.arrived(family) == []


def test_the_rules_alone_cut_a_revoked_flow(bench: Bench, family: int) -> None:
    """Without the tool that deletes flows: the mark is lost in the instant the rules change."""
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    bench.arrived(family)
    bench.kill_agent()
    bench.start_agent(tools=bench.without_conntrack())
    try:
        bench.apply(tokens=(token(2),), revoked=(1,))
        phone.send(b"\r\n\r\n", SRV[family], SIP)
        said = bench.channel.status()["warnings"]
    finally:
        bench.kill_agent()
    assert (bench.arrived(family), "conntrack" in said[0]) == ([], True)


def test_one_flow_among_many_revoked_tokens_is_cut(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    assert len(bench.arrived(family)) == 1 and bench.arrived(family, "rtp") == [VOICE]
    bench.apply(tokens=(token(2),), revoked=(1, *range(3, 90)))
    phone.send(b"\r\n\r\n", SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family) + bench.arrived(family, "rtp") == []


def test_the_rtp_of_a_revoked_phone_is_cut_and_stays_cut(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]
    bench.apply(tokens=(token(2),), revoked=(1,))
    # The server goes on sending for a moment: its own RTP must not open the way again.
    bench.rtp[family].send(VOICE, PHONE[family], phone.port)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == []


def test_a_phone_whom_the_server_spoke_to_first_loses_its_rtp_with_its_token(
    bench: Bench, family: int
) -> None:
    """After a reboot Asterisk asks the contacts that it kept: its own packet begins the flow."""
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    bench.sip[family].send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", PHONE[family], phone.port)
    phone.send(register(FIRST), SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]
    whose = bench.channel.whose(PHONE[family], phone.port)
    bench.apply(tokens=(token(2),), revoked=(1,))
    phone.send(VOICE, SRV[family], RTP)
    assert (whose, bench.arrived(family, "rtp")) == (1, [])


def test_a_neighbour_behind_the_same_address_keeps_its_rtp(bench: Bench, family: int) -> None:
    one, two = (bench.hands["attacker"].udp(family, PHONE[family]) for _ in range(2))
    one.send(register(FIRST), SRV[family], SIP)
    two.send(register(SECOND), SRV[family], SIP)
    two.send(VOICE, SRV[family], RTP)
    bench.apply(tokens=(token(2),), revoked=(1,))
    two.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE, VOICE]


def test_a_cut_address_is_free_again_with_a_new_token(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    bench.apply(tokens=(token(2), token(3)), revoked=(1,))
    phone.send(register(token(3).value), SRV[family], SIP)
    phone.send(VOICE, SRV[family], RTP)
    assert bench.arrived(family, "rtp") == [VOICE]


def test_a_phone_that_rotated_goes_on_in_the_same_flow(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    phone.send(register(SECOND), SRV[family], SIP)
    bench.apply(tokens=(token(2),), revoked=(1,))
    bench.arrived(family)
    phone.send(b"\r\n\r\n", SRV[family], SIP)
    assert bench.arrived(family) == [b"\r\n\r\n"]


def test_the_cut_verb_ends_a_flow_but_not_the_token(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    assert bench.channel.cut([1]) == 1
    bench.arrived(family)
    phone.send(b"\r\n\r\n", SRV[family], SIP)
    phone.send(register(FIRST), SRV[family], SIP)
    assert len(bench.arrived(family)) == 1


def test_a_vendor_that_was_removed_is_out_at_once(bench: Bench, family: int) -> None:
    bench.vendor[family].send(b"INVITE sip:1 SIP/2.0\r\n\r\n", SRV[family], SIP)
    bench.apply(vendors=())
    bench.vendor[family].send(b"INVITE sip:2 SIP/2.0\r\n\r\n", SRV[family], SIP)
    bench.apply()
    assert bench.arrived(family) == [b"INVITE sip:1 SIP/2.0\r\n\r\n"]


def test_the_management_port_answers_the_management_network_alone(
    bench: Bench, family: int
) -> None:
    seen = {name: bench.connect(name, family, SSH) for name in ("admin", "vendor", "attacker")}
    assert seen == {"admin": "open", "vendor": "silence", "attacker": "silence"}


def test_other_ports_answer_nobody(bench: Bench, family: int) -> None:
    seen = {bench.connect(name, family, 8080) for name in ("admin", "vendor", "attacker")}
    assert seen == {"silence"}


def test_a_ban_of_the_management_network_does_not_cut_the_administrator(
    bench: Bench, family: int
) -> None:
    host = 32 if family == 4 else 128
    bench.apply(bans=(f"{ADMIN[family]}/{host}",), vendors=(f"{VENDOR[family]}/{host}",))
    assert bench.connect("admin", family, SSH) == "open"


def test_a_sip_port_on_the_management_port_is_refused(bench: Bench) -> None:
    with pytest.raises(Exception, match="built-in management port"):
        bench.channel.apply(intent(sip_port=SSH), bench.fence())


def test_the_servers_own_connections_get_their_answers(bench: Bench, family: int) -> None:
    bench.hands["admin"].do("listen", name=f"l{family}", family=family, port=4444)
    met = bench.hands["srv"].do("connect", family=family, to=[ADMIN[family], 4444])
    bench.hands["admin"].do("close", name=f"l{family}")
    assert met == "open"
