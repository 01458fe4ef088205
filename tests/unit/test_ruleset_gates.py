"""Each option's rules appear when they are asked for, in their place, and never else."""

import re
from dataclasses import replace
from typing import Any

import pytest

from firewall.ruleset.build import build
from firewall.ruleset.parse import parse_rule
from firewall.ruleset.rules import Block, Family
from firewall.ruleset.text import preview, restore_text
from firewall.ruleset.types import Management, Service
from firewall.ruleset.values import Invalid
from tests.unit.test_ruleset_types import PLAIN as TYPED

pytestmark = pytest.mark.unit
MANAGEMENT = Management(("198.51.100.7/32", "2001:db8:f::/64"), (22,))
PLAIN = replace(TYPED, management=(), management_ports=())
HOME = Block("0123456789ab", 1, lambda: ("192.0.2.0/24",))
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "tcp": ({"tcp": True}, "DDIa-SYN"),
    "tls": ({"tls_port": 5061}, "--dports 5060,5061"),
    "iax2": ({"iax_port": 4569}, "-A DDIa-IAX "),
    "throttle": ({"throttle": True}, "-m recent"),
    "open audio": ({"open_rtp": True}, "-A DDIa-RTP -j ACCEPT"),
    "countries": ({"countries": ("GB",)}, "ddi-land"),
    "services": ({"services": (Service("tcp", 80, 80),)}, "--dport 80 "),
    "exceptions": ({"exceptions": ("192.0.2.7/32", "2001:db8:7::/48")}, "ddi-exempt"),
}


def _family(version: Any = 4, **changes: Any) -> Family:
    home = HOME if changes.get("countries") else None
    return build(replace(PLAIN, **changes), MANAGEMENT, version, home=home)


def _chain(family: Family, name: str) -> list[str]:
    return list(next(chain.lines for chain in family.chains if chain.name == f"DDIa-{name}"))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_options_rules_appear_only_when_asked(option: str, version: Any) -> None:
    sign = OPTIONS[option][1]
    texts = {name: restore_text(_family(version, **other)) for name, (other, _) in OPTIONS.items()}
    # TCP and TLS share a gate.
    expected = {"tcp", "tls"} if option == "tcp" else {option}
    assert {name for name, text in texts.items() if sign in text} == expected
    assert sign not in restore_text(_family(version))


@pytest.mark.parametrize("version", [4, 6])
def test_all_options_together_read_back_as_their_rules(version: Any) -> None:
    every: dict[str, Any] = {}
    for changes, _ in OPTIONS.values():
        every |= changes
    family = _family(version, **every)
    assert restore_text(family) == restore_text(_family(version, **every))
    for chain in family.chains:
        assert tuple(map(parse_rule, chain.lines)) == chain.rules


def test_the_order_at_a_gate_is_the_documented_one() -> None:
    every = {"tcp": True, "exceptions": ("192.0.2.7/32",), "countries": ("GB",)}
    every |= {"throttle": True, "open_rtp": True}
    family = _family(4, **every)
    names = [re.findall(r"ddi-([a-z]+)4", line)[:1] for line in _chain(family, "TCP")[:4]]
    assert names == [["vendor"], ["exempt"], ["ban"], ["jail"]]
    ends = [line.split()[-1] for line in _chain(family, "TCP")[4:]]
    assert ends == ["DDIa-SYN", "ACCEPT", "DDIa-HELD", "DDIa-NEW"]
    assert [line.split()[-1] for line in _chain(family, "NEW")] == ["DROP", "DDIa-HOME", "DROP"]
    assert [line.split()[-1] for line in _chain(family, "HOME")] == ["DDIa-TOK", "DROP"]
    assert _chain(family, "VERDICT")[0].endswith("--ctstate NEW -j DDIa-THROTTLE")
    assert [line.split()[-1] for line in _chain(family, "RTP")] == [
        *("ACCEPT", "ACCEPT", "DROP", "DROP", "DROP", "ACCEPT")
    ]


def test_a_syn_loses_the_bit_that_lets_in_before_it_is_let_in() -> None:
    lines = _chain(_family(4, tcp=True), "SYN")
    assert [line.partition("-j ")[2].split()[0] for line in lines] == [
        *("DROP", "DROP", "CONNMARK", "ACCEPT")
    ]
    assert lines[2].endswith("--set-xmark 0x0/0x40000000")


def test_a_list_of_xt_recent_has_its_familys_own_name() -> None:
    """The kernel keeps the mask of whoever named a list first."""
    names = {
        name
        for version in (4, 6)
        for name in re.findall(r"--name (\S+)", restore_text(_family(version, throttle=True)))
    }
    assert names == {"ddi-late4", "ddi-late6"}


def test_tls_alone_keeps_the_port_of_sip_to_vendors() -> None:
    line = "-p tcp -m tcp --dport 5060 -j DROP"
    assert line in _chain(_family(4, tls_port=5061), "TCP")
    assert line not in _chain(_family(4, tls_port=5061, tcp=True), "TCP")


def test_a_service_for_one_network_stands_in_its_family_alone() -> None:
    service = Service("udp", 3478, 3479, "192.0.2.0/24")
    found = ["--dport 3478:3479" in restore_text(_family(v, services=(service,))) for v in (4, 6)]
    assert found == [True, False]


def test_no_way_with_all_options_is_longer_than_nft_allows() -> None:
    every: dict[str, Any] = {}
    for changes, _ in OPTIONS.values():
        every |= changes
    chains = {chain.name: chain.rules for chain in _family(6, **every).chains}

    def depth(name: str) -> int:
        ways = [rule.action.chain for rule in chains[name] if hasattr(rule.action, "chain")]
        return 1 + max(map(depth, ways), default=0)

    # INPUT is one, and a tree of tokens that are not random is five levels deeper.
    assert depth("DDI-IN") + 1 + 5 <= 16


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tls_port": 22}, "tls_port"),
        ({"services": (Service("tcp", 20, 30),)}, "services[0]"),
        ({"countries": ("GB",)}, "countries"),
    ],
)
def test_what_the_agents_own_word_forbids_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        build(replace(PLAIN, **changes), MANAGEMENT, 4)
    assert caught.value.field == field


def test_a_preview_names_the_set_of_countries_that_it_can_not_fill() -> None:
    lines = preview(replace(PLAIN, countries=("GB",)), MANAGEMENT)
    assert any("ddi-land4-000000000000" in line for line in lines)
