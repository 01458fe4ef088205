"""Intent to text and back: the structure is the intended one, the bytes are the same each time."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firewall.ruleset.build import build
from firewall.ruleset.parse import parse_rule, parse_save
from firewall.ruleset.text import preview, restore_text
from firewall.ruleset.types import Intent
from firewall.ruleset.values import Invalid
from tests.unit.rulesets import (
    MANAGEMENT,
    PLAIN,
    Version,
    as_dump,
    intents,
    many_tokens,
)

pytestmark = pytest.mark.unit


@settings(max_examples=40, deadline=None)
@given(intents(), st.sampled_from([4, 6]))
def test_any_intent_becomes_text_that_reads_back_as_its_rules(
    intent: Intent, version: Version
) -> None:
    family = build(intent, MANAGEMENT, version)
    read = parse_save(as_dump(restore_text(family)))
    rules = {name: tuple(map(parse_rule, lines)) for name, lines in read.own.items()}
    assert rules == {chain.name: chain.rules for chain in family.chains}


@settings(max_examples=40, deadline=None)
@given(intents(), st.sampled_from([4, 6]))
def test_the_text_means_what_the_intent_says(intent: Intent, version: Version) -> None:
    """Read the text with expressions of this test's own: nothing of the renderer is trusted."""
    text = restore_text(build(intent, MANAGEMENT, version))
    marks = re.findall(r'--string "(\S+)" --algo kmp -j CONNMARK --set-xmark 0x4(\w{7})/', text)
    assert sorted((int(mark, 16), value) for value, mark in marks) == sorted(
        (token.mark, token.value) for token in intent.tokens
    )
    gone = re.findall(r"--mark 0x4(\w{7})/0x7fffffff -j CONNMARK --set-xmark 0x0/0x40000000", text)
    assert sorted(int(mark, 16) for mark in gone) == sorted(intent.revoked)
    sources = re.findall(r"^-A DDIa-MGMT -s (\S+) -j ACCEPT$", text, re.M)
    first = [net for net in MANAGEMENT.networks if (":" in net) == (version == 6)]
    assert sources[: len(first)] == first
    extra = {net for net in intent.management if (":" in net) == (version == 6)}
    assert set(sources) == extra | set(first)
    assert text.count("-j ACCEPT") - len(sources) == {4: 13, 6: 25}[version]


@settings(max_examples=40, deadline=None)
@given(intents())
def test_the_same_intent_gives_the_same_bytes(intent: Intent) -> None:
    shuffled = replace(intent, tokens=intent.tokens[::-1], revoked=intent.revoked[::-1])
    texts = {restore_text(build(one, MANAGEMENT, 4)) for one in (intent, shuffled)}
    assert len(texts) == 1


def test_a_fixed_sets_name_changes_with_its_content() -> None:
    one, two = (
        build(replace(PLAIN, vendors=nets), MANAGEMENT, 4).sets[0].name
        for nets in (("203.0.113.20/32",), ("203.0.113.21/32",))
    )
    assert one != two


def test_the_sip_port_on_a_built_in_management_port_is_refused() -> None:
    with pytest.raises(Invalid, match="built-in management port"):
        build(replace(PLAIN, sip_port=22), MANAGEMENT, 4)


def test_more_management_ports_than_one_match_holds_are_refused() -> None:
    with pytest.raises(Invalid, match="together"):
        build(replace(PLAIN, management_ports=tuple(range(100, 115))), MANAGEMENT, 4)


def test_the_gates_stand_before_the_established_rule() -> None:
    text = restore_text(build(PLAIN, MANAGEMENT, 4))
    gates = ("-g DDIa-SIP", "-g DDIa-RTP", "-j DDIa-MGMT", "-g DDIa-TCP")
    order = [text.index(part) for part in gates]
    assert max(order) < text.index("RELATED,ESTABLISHED -j ACCEPT")


def test_a_preview_shows_rules_of_both_families_without_tokens() -> None:
    lines = preview(replace(PLAIN, tokens=many_tokens(3)), MANAGEMENT)
    whole = "\n".join(lines)
    assert "v4 + -A DDIa-IN" in whole and "v6 + -A DDIa-IN" in whole
    assert not any(token.value in whole for token in many_tokens(3))


@pytest.mark.parametrize(
    "bad", ["\n-A INPUT -j ACCEPT", '"', "\x00", ",", "${SHELL(id)}", " ", "$(id)"]
)
@pytest.mark.parametrize("field", ["vendors", "bans", "management", "site_prefix", "tokens"])
def test_a_value_forced_past_the_types_is_refused_by_the_renderer(field: str, bad: str) -> None:
    intent = replace(PLAIN, tokens=many_tokens(1))
    if field == "tokens":
        object.__setattr__(intent.tokens[0], "value", intent.tokens[0].value[:-1] + bad)
    else:
        value = getattr(intent, field)
        forced = value[:-1] + bad if field == "site_prefix" else (f"203.0.113.0/2{bad}",)
        object.__setattr__(intent, field, forced)
    with pytest.raises(Invalid, match="can not stand in a rule"):
        restore_text(build(intent, MANAGEMENT, 4))


@pytest.mark.parametrize("field", ["sip_port", "rtp_first", "rtp_last"])
def test_a_port_forced_to_a_text_is_not_rendered(field: str) -> None:
    intent = replace(PLAIN)
    object.__setattr__(intent, field, "5060 -j ACCEPT")
    with pytest.raises((ValueError, TypeError)):
        restore_text(build(intent, MANAGEMENT, 4))
