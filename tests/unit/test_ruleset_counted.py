"""What a rule counts for, told from the rules that the builder really writes."""

from firewall.ruleset.build import build
from firewall.ruleset.counted import subject
from firewall.ruleset.types import Intent, Management, Token

SITE = "ddi-kmtest23-"
MANAGEMENT = Management(("192.0.2.1/32", "2001:db8::1/128"), (22,))


def _intent() -> Intent:
    return Intent(
        generation=1, sip_port=5060, rtp_first=10_000, rtp_last=10_100, management=(),
        management_ports=(), vendors=("203.0.113.20/32",), bans=(), site_prefix=SITE,
        tokens=tuple(Token(mark, SITE + chr(97 + mark) * 26) for mark in range(1, 25)),
        revoked=(40, 41), tls_port=5061, tcp=True, throttle=True,
    )  # fmt: skip


def _subjects(version: int) -> list[tuple[str, str]]:
    family = build(_intent(), MANAGEMENT, 4 if version == 4 else 6)
    found = [subject(chain.name, rule) for chain in family.chains for rule in chain.lines]
    return [one for one in found if one]


def test_every_token_and_every_revoked_mark_has_one_rule_that_counts_it() -> None:
    for version in (4, 6):
        found = _subjects(version)
        assert sorted(int(key) for kind, key in found if kind == "token") == list(range(1, 25))
        assert sorted(key for kind, key in found if kind == "revoked") == ["40", "41"]


def test_every_rule_that_drops_names_a_reason() -> None:
    family = build(_intent(), MANAGEMENT, 4)
    drops = [
        subject(chain.name, rule)
        for chain in family.chains
        for rule in chain.lines
        if rule.endswith("-j DROP")
    ]
    assert None not in drops
    assert {key for one in drops if one for key in one[1:]} >= {
        "no_token", "unknown_token", "too_long", "banned", "revoked", "rtp_unproved", "closed_port",
        "syn_rate", "syn_data", "throttled",
    }  # fmt: skip


def test_a_chain_that_nobody_named_counts_under_its_own_name() -> None:
    assert subject("DDIa-GATE", "-j DROP") == ("drop", "gate")


def test_a_rule_that_only_leads_on_counts_nothing() -> None:
    assert subject("DDIa-IN", "-p udp -m udp --dport 5060 -g DDIa-SIP") is None
