"""What the agent takes for a ban, and whom it guards; no kernel."""

import pytest

from firewall.agent.flows import endpoint
from firewall.agent.jail import MOST, Guarded, entries, networks
from firewall.ruleset.values import Invalid, network

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "entry",
    [
        {"network": "198.51.100.0/23", "seconds": 60},
        {"network": "2001:db8::/47", "seconds": 60},
        {"network": "198.51.100.7", "seconds": 60},
        {"network": "198.51.100.7/24", "seconds": 60},
        {"network": "198.51.100.7/32\n", "seconds": 60},
        {"network": "198.51.100.7/32 timeout 0", "seconds": 60},
        {"network": "198.51.100.7/32\nadd ddi-vendor4 1.2.3.4", "seconds": 60},
        {"network": "010.1.1.1/32", "seconds": 60},
        {"network": "::ffff:1.2.3.4/128", "seconds": 60},
        {"network": None, "seconds": 60},
        {"network": "198.51.100.7/32", "seconds": 0},
        {"network": "198.51.100.7/32", "seconds": 31 * 86_400 + 1},
        {"network": "198.51.100.7/32", "seconds": True},
        {"network": "198.51.100.7/32", "seconds": "60"},
        {"network": "198.51.100.7/32", "seconds": 60, "x": 1},
        {"network": "198.51.100.7/32"},
        "198.51.100.7/32",
        {"network": "198.51.100.9/32", "seconds": 61},
    ],
    ids=str,
)
def test_a_malformed_ban_is_refused_and_the_good_one_beside_it(entry: object) -> None:
    with pytest.raises(Invalid):
        entries([{"network": "198.51.100.9/32", "seconds": 60}, entry])


@pytest.mark.parametrize(
    "raw", [None, {}, "x", [{}] * (MOST + 1)], ids=["none", "map", "text", "long"]
)
def test_what_is_no_list_is_refused(raw: object) -> None:
    with pytest.raises(Invalid):
        entries(raw)
    with pytest.raises(Invalid):
        networks(raw)


@pytest.mark.parametrize(
    ("address", "port"),
    [("198.51.100.7/32", 5), ("x", 5), ("", 5), ("198.51.100.7", 0), (7, 5), ("::1" * 40, 5)],
)
def test_a_malformed_question_is_refused(address: object, port: object) -> None:
    with pytest.raises(Invalid):
        endpoint(address, port)


def test_a_question_names_an_address_of_either_family() -> None:
    assert endpoint("198.51.100.7", 5060) == ("198.51.100.7", 5060)
    assert endpoint("2001:db8::7", 5060) == ("2001:db8::7", 5060)


GUARDED = Guarded(
    {
        "holds a vendor": ("203.0.113.20/32", "203.0.113.0/28", "2001:db8:20::/48"),
        "holds an exception": ("203.0.113.16/29", "10.0.0.0/8"),
    }
)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("203.0.113.20/32", "vendor (203.0.113.20/32)"),
        ("203.0.113.0/24", "vendor"),
        ("203.0.113.15/32", "vendor (203.0.113.0/28)"),
        ("203.0.113.22/32", "exception (203.0.113.16/29)"),
        ("10.255.255.255/32", "exception"),
        ("2001:db8:20:ffff::/64", "vendor"),
        ("203.0.113.24/32", ""),
        ("11.0.0.0/24", ""),
        ("9.255.255.0/24", ""),
        ("2001:db8:21::/48", ""),
    ],
)
def test_whoever_overlaps_a_guarded_network_is_named(wanted: str, why: str) -> None:
    said = GUARDED.why(network(wanted, "network"))
    assert (why in said) if why else said == ""
