"""Intent to text and back: the structure is the intended one, the bytes are the same each time."""

import re
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firewall.ruleset.build import build
from firewall.ruleset.diff import difference, removal, set_commands
from firewall.ruleset.matches import Holds
from firewall.ruleset.parse import Dump, parse_rule, parse_save, parse_sets
from firewall.ruleset.rules import Family, SetMark, To
from firewall.ruleset.text import ipset_text, preview, restore_text
from firewall.ruleset.tree import LEAF, MAX_LEVELS
from firewall.ruleset.types import Intent, Invalid, Management, Token

pytestmark = pytest.mark.unit
SITE = "ddi-abcdefgh-"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
MANAGEMENT = Management(("198.51.100.7/32", "2001:db8:f::/64"), (22,))
PLAIN = Intent(
    generation=1,
    sip_port=5060,
    rtp_first=10_000,
    rtp_last=20_000,
    management=(),
    management_ports=(),
    vendors=("203.0.113.20/32",),
    bans=(),
    site_prefix=SITE,
    tokens=(),
    revoked=(),
)
Version = Literal[4, 6]


def _spell(number: int, alphabet: str) -> str:
    return "".join(
        alphabet[number // len(alphabet) ** place % len(alphabet)] for place in range(26)
    )


_v4 = st.builds(
    lambda base, bits: f"{'.'.join(str((base >> s) & 255) for s in (24, 16, 8, 0))}/{bits}",
    st.integers(1 << 24, (224 << 24) - 1),
    st.just(32),
)
_v6 = st.integers(1, 0xFFFF).map(lambda n: f"2001:db8:{n:x}::/48")
_nets = st.lists(st.one_of(_v4, _v6), max_size=6, unique=True)
# Skewed on purpose: few different digits make long shared beginnings.
_digits = st.one_of(
    st.integers(0, (1 << 130) - 1).map(lambda n: _spell(n, ALPHABET)),
    st.integers(0, (1 << 26) - 1).map(lambda n: _spell(n, "ab")),
)


_mark_lists = st.integers(1, (1 << 20) - 1).map(
    lambda start: [(start + n * 10_007) % ((1 << 20) - 1) + 1 for n in range(100)]
)
_ports = st.lists(st.integers(1, 1023), max_size=14, unique=True)


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    """Any intent that its type accepts."""
    digits = draw(st.lists(_digits, max_size=60, unique=True))
    marks = draw(_mark_lists)
    site = f"ddi-{_spell(draw(st.integers(0, (1 << 40) - 1)), ALPHABET)[:8]}-"
    return Intent(
        generation=draw(st.integers(0, 1 << 40)),
        sip_port=draw(st.integers(1024, 9_999)),
        rtp_first=10_000,
        rtp_last=draw(st.integers(10_000, 65_535)),
        management=tuple(draw(_nets)),
        management_ports=tuple(draw(_ports)),
        vendors=tuple(draw(_nets)),
        bans=tuple(draw(_nets)),
        site_prefix=site,
        tokens=tuple(Token(m, site + d) for m, d in zip(marks, digits, strict=False)),
        revoked=tuple(marks[60 : 60 + draw(st.integers(0, 40))]),
    )


@settings(max_examples=40, deadline=None)
@given(intents(), st.sampled_from([4, 6]))
def test_any_intent_becomes_text_that_reads_back_as_its_rules(
    intent: Intent, version: Version
) -> None:
    family = build(intent, MANAGEMENT, version)
    read = parse_save(_as_dump(restore_text(family)))
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


@settings(max_examples=40, deadline=None)
@given(intents())
def test_each_token_finds_its_own_mark_and_no_other_finds_one(intent: Intent) -> None:
    family = build(intent, MANAGEMENT, 4)
    found = {token.mark: _walk(family, token.value) for token in intent.tokens}
    assert found == {token.mark: [token.mark] for token in intent.tokens}
    assert _walk(family, intent.site_prefix + "7" * 25 + "6") == []


@settings(max_examples=40, deadline=None)
@given(intents())
def test_no_way_through_the_chains_is_longer_than_nft_allows(intent: Intent) -> None:
    assert _depth(build(intent, MANAGEMENT, 6), "DDI-IN") <= 15


@settings(max_examples=40, deadline=None)
@given(intents(), intents())
def test_a_transaction_leads_from_any_ruleset_to_any_other(one: Intent, two: Intent) -> None:
    before, after = (build(intent, MANAGEMENT, 4) for intent in (one, two))
    dump = parse_save(_as_dump(restore_text(before)))
    played = _play(dump, difference(dump, after).text())
    assert not difference(played, after)


def _tokens(count: int) -> tuple[Token, ...]:
    """Even, but different in each digit: a Weyl sequence in base 32."""
    made = []
    for mark in range(1, count + 1):
        number = mark * 0x9E3779B97F4A7C15F39CC0605CEDC8341 % (1 << 130)
        digits = "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(25, -1, -1))
        made.append(Token(mark, SITE + digits))
    return tuple(made)


def test_ten_thousand_tokens_meet_short_chains() -> None:
    family = build(replace(PLAIN, tokens=_tokens(10_000)), MANAGEMENT, 4)
    assert max(len(c.rules) for c in family.chains if c.name.startswith("DDIa-T")) <= 33


def test_a_strangers_way_has_the_same_rules_with_10_and_10000_tokens() -> None:
    few, many = (
        build(replace(PLAIN, tokens=_tokens(count)), MANAGEMENT, 4) for count in (10, 10_000)
    )
    way = ("DDI-IN", "DDIa-IN", "DDIa-SIP", "DDIa-NEW")
    assert [_chain(few, name) for name in way] == [_chain(many, name) for name in way]


def test_a_chains_name_fits_the_kernel_and_shows_four_digits_at_most() -> None:
    skewed = tuple(
        Token(mark, SITE + f"{'a' * 20}{ALPHABET[mark // 32]}{ALPHABET[mark % 32]}aaaa")
        for mark in range(1, 500)
    )
    names = [chain.name for chain in build(replace(PLAIN, tokens=skewed), MANAGEMENT, 4).chains]
    assert max(map(len, names)) <= 28 and not any("aaaaa" in name for name in names)


def test_tokens_that_share_their_beginnings_end_in_a_longer_list_not_in_a_deeper_tree() -> None:
    # a.., ba.., bba..: each level parts one token from the rest.
    skewed = tuple(Token(n + 1, SITE + ("b" * n + "a" * 26)[:26]) for n in range(LEAF + 9))
    family = build(replace(PLAIN, tokens=skewed), MANAGEMENT, 4)
    depth = _depth(family, "DDIa-TOK")
    assert depth <= MAX_LEVELS + 2


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
    order = [text.index(part) for part in ("-g DDIa-SIP", "-g DDIa-RTP", "-j DDIa-MGMT")]
    assert max(order) < text.index("RELATED,ESTABLISHED -j ACCEPT")


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
    assert not difference(parse_save(_as_dump(text)), family)


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


def test_a_preview_shows_rules_of_both_families_without_tokens() -> None:
    lines = preview(replace(PLAIN, tokens=_tokens(3)), MANAGEMENT)
    whole = "\n".join(lines)
    assert "v4 + -A DDIa-IN" in whole and "v6 + -A DDIa-IN" in whole
    assert not any(token.value in whole for token in _tokens(3))


@pytest.mark.parametrize(
    "bad", ["\n-A INPUT -j ACCEPT", '"', "\x00", ",", "${SHELL(id)}", " ", "$(id)"]
)
@pytest.mark.parametrize("field", ["vendors", "bans", "management", "site_prefix", "tokens"])
def test_a_value_forced_past_the_types_is_refused_by_the_renderer(field: str, bad: str) -> None:
    intent = replace(PLAIN, tokens=_tokens(1))
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


def _as_dump(text: str) -> str:
    """What iptables-save would print after a restore of `text` into an empty kernel."""
    return text.replace("-I INPUT 1 -j DDI-IN", "-A INPUT -j DDI-IN")


def _chain(family: Family, name: str) -> tuple[object, ...]:
    return next(chain.rules for chain in family.chains if chain.name == name)


def _walk(family: Family, payload: str) -> list[int]:
    """Marks that a packet with `payload` is given in the tree, by the kernel's rules of goto."""
    chains = {chain.name: chain.rules for chain in family.chains}
    marks: list[int] = []
    name = "DDIa-TOK"
    while name in chains and name != "DDIa-VERDICT":
        following = ""
        for rule in chains[name]:
            if not all(isinstance(m, Holds) and m.text in payload for m in rule.matches):
                continue
            if isinstance(rule.action, SetMark):
                marks.append(rule.action.value & 0xFFFFF)
            elif isinstance(rule.action, To):
                following = rule.action.chain
                break
        name = following
    return marks


def _depth(family: Family, name: str) -> int:
    chains = {chain.name: chain.rules for chain in family.chains}
    targets = [rule.action.chain for rule in chains[name] if isinstance(rule.action, To)]
    return 1 + max((_depth(family, target) for target in targets), default=0)


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
