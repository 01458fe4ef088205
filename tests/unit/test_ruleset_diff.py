"""From one ruleset to another, and back from what the kernel prints."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from firewall.ruleset.build import build
from firewall.ruleset.diff import difference, removal, set_commands
from firewall.ruleset.parse import Dump, parse_rule, parse_save, parse_sets
from firewall.ruleset.rules import Family
from firewall.ruleset.text import ipset_text, restore_text
from firewall.ruleset.types import Intent
from tests.unit.rulesets import MANAGEMENT, PLAIN, as_dump, intents

pytestmark = pytest.mark.unit


@settings(max_examples=40, deadline=None)
@given(intents(), intents())
def test_a_transaction_leads_from_any_ruleset_to_any_other(one: Intent, two: Intent) -> None:
    before, after = (build(intent, MANAGEMENT, 4) for intent in (one, two))
    dump = parse_save(as_dump(restore_text(before)))
    played = _play(dump, difference(dump, after).text())
    assert not difference(played, after)


def test_rules_in_another_order_are_a_difference() -> None:
    family = build(PLAIN, MANAGEMENT, 4)
    dump = Dump(chains={"INPUT": ["-j DDI-IN"]})
    dump.chains |= {chain.name: list(chain.lines) for chain in family.chains}
    assert not difference(dump, family)
    dump.chains["DDIa-SIP"].reverse()
    assert [name for name, *_ in difference(dump, family).chains] == ["DDIa-SIP"]


def test_the_hook_is_put_back_to_the_first_place() -> None:
    dump = Dump(chains={"INPUT": ["-s 192.0.2.1/32 -j DROP", "-j DDI-IN", "-j DDI-IN"]})
    text = difference(dump, Family(4, (), ())).text()
    assert text == (
        "*filter\n-D INPUT -j DDI-IN\n-D INPUT -j DDI-IN\n-I INPUT 1 -j DDI-IN\nCOMMIT\n"
    )


def test_removal_names_own_chains_alone() -> None:
    dump = Dump(chains={"INPUT": ["-j DDI-IN"], "DDI-IN": ["-j DROP"], "f2b": ["-j RETURN"]})
    assert removal(dump, 4).text() == (
        "*filter\n:DDI-IN - [0:0]\n-D INPUT -j DDI-IN\n-X DDI-IN\nCOMMIT\n"
    )


def test_another_spelling_of_the_same_rule_is_no_drift() -> None:
    family = build(PLAIN, MANAGEMENT, 4)
    text = restore_text(family).replace("0x40000000/0x40000000", "1073741824/0x40000000")
    assert not difference(parse_save(as_dump(text)), family)


@pytest.mark.parametrize(
    "text",
    [
        "-j LOG",
        "-m mark --mark 0x1 -j ACCEPT",
        "-p udp -m udp --dport 5060 -j REJECT",
        "-m length --length 5:9 -j DROP",
        "-j f2b-sshd",
        "-s 203.0.113.0/24",
        '-m string --string "x" --algo bm -j DROP',
        '"',
        "",
    ],
)
def test_a_rule_that_is_not_ours_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rule(text)


def test_rules_of_other_tables_are_not_read() -> None:
    dump = parse_save("*nat\n:INPUT ACCEPT [0:0]\n-A INPUT -j DDI-IN\nCOMMIT\n*filter\nCOMMIT\n")
    assert dump.chains == {}


def test_counters_are_read_beside_their_rules() -> None:
    dump = parse_save("*filter\n:DDI-IN - [0:0]\n[12:999] -A DDI-IN -j DROP\nCOMMIT\n")
    assert (dump.chains["DDI-IN"], dump.packets["DDI-IN"]) == (["-j DROP"], [12])


def test_sets_are_made_once_and_then_only_mended() -> None:
    family = build(PLAIN, MANAGEMENT, 4)
    made = parse_sets(ipset_text(family).replace(" -exist", ""))
    vendor = family.sets[0]
    assert set_commands(vendor, made[vendor.name]) == []
    held = replace(made[vendor.name], members=frozenset({"192.0.2.9"}))
    assert set_commands(vendor, held) == [
        f"del -exist {vendor.name} 192.0.2.9",
        f"add -exist {vendor.name} 203.0.113.20",
    ]


def test_foreign_sets_are_not_read() -> None:
    assert parse_sets("create f2b-sshd hash:ip family inet\nadd f2b-sshd 192.0.2.1\n") == {}


def _play(dump: Dump, text: str) -> Dump:
    """A model of iptables-restore --noflush."""
    chains = {name: list(rules) for name, rules in dump.chains.items()}
    for line in text.splitlines():
        if line.startswith(":"):
            chains[line[1:].split()[0]] = []
        elif line.startswith("-A "):
            _, name, rule = line.split(" ", 2)
            chains[name].append(rule)
        elif line.startswith("-D INPUT "):
            chains["INPUT"].remove(line.removeprefix("-D INPUT "))
        elif line.startswith("-I INPUT 1 "):
            chains.setdefault("INPUT", []).insert(0, line.removeprefix("-I INPUT 1 "))
        elif line.startswith("-X "):
            assert chains.pop(line[3:]) == []
    return Dump(chains=chains)
