"""What could lock an administrator out, and what never waits for one."""

from dataclasses import replace
from typing import Any

import pytest

from firewall.ruleset.critical import split
from firewall.ruleset.types import Intent, Management, Service, Token

BUILTIN = Management(("198.51.100.7/32",), (22,))
SITE = "ddi-kmtest23-"
VPN = Service("udp", 51820, 51820)
BEFORE = Intent(
    1, 5060, 10_000, 10_100, ("192.0.2.0/24", "2001:db8:5::/64"), (8443,), (), (), SITE,
    (Token(1, SITE + "a" * 26),), (), tls_port=5061, services=(VPN,),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"management": ("192.0.2.0/24",)}, "network 2001:db8:5::/64 is removed"),
        ({"management": ("192.0.2.0/25", "2001:db8:5::/64")}, "network 192.0.2.0/24 is removed"),
        ({"management_ports": ()}, "management port 8443 is removed"),
        ({"sip_port": 5070}, "the SIP port moves from 5060 to 5070"),
        ({"tls_port": 5071}, "the port of SIP over TLS moves from 5061 to 5071"),
        ({"tls_port": 0}, "the port of SIP over TLS moves from 5061 to none"),
        ({"rtp_first": 9000}, "the first RTP port moves from 10000 to 9000"),
        ({"rtp_last": 20_000}, "the last RTP port moves from 10100 to 20000"),
        ({"iax_port": 51821}, "the IAX2 port moves from none to 51821"),
        ({"services": ()}, "service udp 51820 is removed"),
        ({"services": (replace(VPN, network="192.0.2.0/24"),)}, "service udp 51820 is removed"),
    ],
)
def test_what_takes_a_way_in_is_tried(change: dict[str, Any], words: str) -> None:
    parts = split(BEFORE, replace(BEFORE, **change), BUILTIN)
    assert len(parts.changes) == 1 and words in parts.changes[0]
    now = parts.now
    assert set(BEFORE.management) <= set(now.management)
    assert set(BEFORE.services) <= set(now.services)
    assert now.management_ports == BEFORE.management_ports
    assert (now.sip_port, now.tls_port, now.rtp_first, now.rtp_last) == (5060, 5061, 10_000, 10_100)


def test_iax2_within_the_old_rtp_range_waits_for_the_new_one() -> None:
    wanted = replace(BEFORE, rtp_first=20_000, rtp_last=20_100, iax_port=10_050)
    assert split(BEFORE, wanted, BUILTIN).now.iax_port == 0


def test_a_service_whose_time_is_set_ends_without_a_trial() -> None:
    visit = Service("tcp", 8000, 8000, ends=True)
    before = replace(BEFORE, services=(VPN, visit))
    assert split(before, BEFORE, BUILTIN).changes == ()
    besides = split(before, replace(BEFORE, sip_port=5070), BUILTIN)
    assert (len(besides.changes), besides.now.services) == (1, (VPN,))


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": (), "revoked": (1,)},
        {"vendors": ("203.0.113.20/32",)},
        {"iax_port": 4569},
        {"bans": ("203.0.113.66/32",)},
        {"management": ("192.0.2.0/23", "2001:db8::/32")},
        {"management": (*BEFORE.management, "203.0.113.0/24")},
        {"management_ports": (8443, 9443)},
        {"services": (VPN, Service("tcp", 80, 80))},
        {"services": (Service("udp", 51000, 52000),)},
        {"countries": ("GB",), "throttle": True},
    ],
)
def test_what_takes_no_way_in_does_not_wait(change: dict[str, Any]) -> None:
    wanted = replace(BEFORE, **change)
    assert split(BEFORE, wanted, BUILTIN).changes == ()
    assert split(BEFORE, wanted, BUILTIN).now == wanted


def test_phones_and_new_ways_in_do_not_wait_for_the_rest() -> None:
    phone = Token(2, SITE + "b" * 26)
    wanted = replace(BEFORE, management=("203.0.113.0/24",), tokens=(phone,), sip_port=5070)
    now = split(BEFORE, wanted, BUILTIN).now
    assert now.tokens == (phone,)
    assert set(now.management) == {*BEFORE.management, "203.0.113.0/24"}
    assert now.sip_port == 5060


def test_ways_that_can_not_stand_side_by_side_leave_the_old_ones() -> None:
    wanted = replace(BEFORE, sip_port=5070, management_ports=(5060,), services=())
    parts = split(BEFORE, wanted, BUILTIN)
    assert (parts.now, len(parts.changes)) == (BEFORE, 3)


def test_what_the_agent_itself_lets_in_is_no_loss() -> None:
    before = replace(BEFORE, management=("198.51.100.7/32",), management_ports=(22,))
    wanted = replace(before, management=(), management_ports=())
    assert split(before, wanted, BUILTIN).changes == ()
