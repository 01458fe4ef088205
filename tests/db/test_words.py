"""Every rule that the builder can write has words; marks and networks have names."""

import pytest

from ddiweb.deploy.models import Node
from firewall import words
from firewall.names import Names
from firewall.ruleset.build import build
from firewall.ruleset.types import Intent, Management, Service, Token
from firewall.ruleset.values import redact
from peers import services
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]
SITE = "ddi-kmtest23-"


def _lines(version: int) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    intent = Intent(
        generation=1, sip_port=5060, rtp_first=10_000, rtp_last=10_100, management=(),
        management_ports=(), vendors=("203.0.113.20/32",), bans=(), site_prefix=SITE,
        tokens=tuple(
            Token(mark, SITE + letter + second + "a" * 24)
            for mark, (letter, second) in enumerate(
                ((one, two) for one in letters[:3] for two in letters[:12]), 1
            )
        ),
        revoked=tuple(range(100, 200)), tls_port=5061, tcp=True, throttle=True,
        services=(Service("tcp", 443, 443), Service("udp", 3478, 3480, "192.0.2.0/24")),
        exceptions=("192.0.2.0/24",),
    )  # fmt: skip
    networks = ("192.0.2.1/32", "2001:db8::1/128")
    family = build(intent, Management(networks, (22,)), 4 if version == 4 else 6)
    return [redact(f"{chain.name} {rule}") for chain in family.chains for rule in chain.lines]


@pytest.mark.parametrize("version", [4, 6])
def test_every_rule_has_words(version: int) -> None:
    names = Names(factories.node())
    without = [line for line in _lines(version) if not words.rule(line, names)]
    assert without == []


def test_a_mark_is_the_name_of_its_phone() -> None:
    node: Node = factories.node()
    token = services.issue_token(factories.peer(node, name="Ada mobile"))
    rule = f"DDIa-REV -m connmark --mark {0x40000000 | token.mark:#x}/0x7fffffff -j DROP"
    assert words.rule(rule, Names(node)) == (
        "Revoked tokens: its connection belongs to Ada mobile → dropped"
    )


@pytest.mark.parametrize("line", ["", "DDIa-IN", "DDIa-IN -m strange --x 1 -j ACCEPT", "x -j LOG"])
def test_what_nobody_knows_has_no_words(line: str) -> None:
    assert words.rule(line, Names(factories.node())) == ""
