"""Staging: which packets are sent, and that one wrong answer is enough."""

import dataclasses
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused
from firewall.agent.config import Config
from firewall.agent.staging import Stager, probes
from firewall.ruleset.memory import Memory
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Management, Token

BUILTIN = Management(("198.51.100.0/24", "2001:db8:7::/64"), (22, 443))
CONFIG = Config(Path("/x"), frozenset(), Path("/x"), "nft", {}, {}, BUILTIN)
SITE = "ddi-kmtest23-"
PLAIN = Intent(
    1, 5060, 10_000, 10_100, ("192.0.2.0/24",), (), ("203.0.113.20/32",), (), SITE,
    (Token(1, SITE + "a" * 26),), (),
)  # fmt: skip


class Kernel:
    """Answers as the oracle does, but for one packet that it lies about."""

    def __init__(self, lie: int | None = None, reason: str = "") -> None:
        self.lie, self.reason, self.asked = lie, reason, 0

    def __call__(self, config: Config, intent: Intent, asked: list[Packet]) -> list[str]:
        self.asked += 1
        if self.reason:
            raise Refused(self.reason)
        oracle = Oracle(intent, config.management, Memory(seen=set(), cut=set()))
        said = [oracle.judge(packet).word for packet in asked]
        if self.lie is not None:
            said[self.lie] = "drop" if said[self.lie] == "accept" else "accept"
        return said


@pytest.mark.parametrize("number", range(len(list(probes(PLAIN, BUILTIN)))))
def test_one_wrong_answer_of_the_kernel_is_enough(number: int) -> None:
    with pytest.raises(Refused, match="a scratch kernel says"):
        Stager(CONFIG, Kernel(number)).check(None, PLAIN, None)


def test_managers_vendors_tokens_and_strangers_are_all_asked_for() -> None:
    names = " ".join(one.name for one in probes(PLAIN, BUILTIN))
    for words in (
        "port 443 from the management network 192.0.2.0/24",
        "2001:db8:7::/64",
        "vendor 203.0.113.20",
        "live token",
        "without a token",
        "from a stranger",
    ):
        assert words in names


def test_a_token_more_is_not_staged() -> None:
    kernel = Kernel()
    more = dataclasses.replace(
        PLAIN, generation=2, tokens=(*PLAIN.tokens, Token(2, SITE + "b" * 26)), revoked=(7,)
    )
    Stager(CONFIG, kernel).check(PLAIN, more, None)
    assert kernel.asked == 0


def test_who_asks_is_not_shut_out() -> None:
    wanted = dataclasses.replace(PLAIN, management=())
    with pytest.raises(Refused, match=r"your own address 192\.0\.2\.9 to TCP port 22"):
        Stager(CONFIG, Kernel()).check(PLAIN, wanted, "192.0.2.9")


def test_who_asks_from_where_nobody_gets_in_asks_for_no_probe() -> None:
    wanted = dataclasses.replace(PLAIN, management=())
    Stager(CONFIG, Kernel()).check(PLAIN, wanted, "8.8.8.8")


def test_without_a_namespace_the_oracle_judges_and_says_so() -> None:
    stager = Stager(CONFIG, Kernel(reason="scratch: no user namespace"))
    stager.check(None, PLAIN, None)
    assert "no user namespace" in stager.reason


def test_rules_that_a_kernel_does_not_take_are_refused() -> None:
    with pytest.raises(Refused, match="refuses these rules"):
        Stager(CONFIG, Kernel(reason="iptables-nft-restore: exit 1")).check(None, PLAIN, None)


def test_thousands_of_networks_make_no_thousands_of_probes() -> None:
    nets = tuple(f"10.{n // 250}.{n % 250}.0/24" for n in range(1000))
    many = dataclasses.replace(PLAIN, management=nets, vendors=nets)
    Stager(CONFIG, Kernel()).check(None, many, "198.51.100.9")


@pytest.mark.parametrize(
    "net", ["127.0.0.1/32", "224.0.0.0/8", "198.18.0.0/15", "255.255.255.255/32"]
)
def test_a_network_from_which_nothing_can_be_sent_is_no_reason_to_refuse(net: str) -> None:
    management = Management((net, "192.0.2.1/32"), (22,))
    names = [probe.name for probe in probes(PLAIN, management)]
    assert any("192.0.2.1/32" in name for name in names)
    assert not any(net in name for name in names)


def test_another_site_prefix_is_no_reason_to_refuse() -> None:
    site = "ddi-other234-"
    moved = dataclasses.replace(PLAIN, site_prefix=site, tokens=(Token(1, site + "a" * 26),))
    Stager(CONFIG, Kernel()).check(PLAIN, moved, None)
