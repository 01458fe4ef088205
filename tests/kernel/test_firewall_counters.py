"""What the agent counts, by packets that were really sent; totals outlive rewritten chains."""

import random
from typing import Any

import pytest

from tests.kernel.bench import (
    PHONE,
    RTP,
    SIP,
    SITE,
    SRV,
    STRANGER,
    VENDOR,
    Bench,
    register,
    token,
)

pytestmark = pytest.mark.kernel


class Count:
    """What was counted since this was made."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._before = bench.channel.counters()

    def __call__(self) -> dict[tuple[str, str], int]:
        now = self._bench.channel.counters()
        assert now["epoch"] == self._before["epoch"]
        old: dict[str, Any] = self._before["totals"]
        risen = {
            (kind, key): packets - old.get(kind, {}).get(key, 0)
            for kind, found in now["totals"].items()
            for key, packets in found.items()
        }
        return {what: packets for what, packets in risen.items() if packets}


def _say(bench: Bench, family: int, *messages: bytes, port: int = SIP, address: str = "") -> None:
    line = bench.hands["attacker"].udp(family, address or STRANGER[family])
    for message in messages:
        line.send(message, SRV[family], port)
    line.close()
    bench.arrived(family)  # a vendor's packet behind them: all of them have passed the rules


def test_a_token_is_counted_for_its_own_mark(bench: Bench, family: int) -> None:
    count = Count(bench)
    _say(bench, family, register(token(2).value), register(token(2).value), address=PHONE[family])
    found = count()
    assert (found[("token", "2")], ("token", "1") in found) == (2, False)


@pytest.mark.parametrize(
    ("message", "port", "reason"),
    [
        (register(), SIP, "no_token"),
        (register(SITE + "a" * 26), SIP, "unknown_token"),
        (register("", 5000), SIP, "too_long"),
        (b"rtp", RTP, "rtp_unproved"),
        (b"hello", 161, "closed_port"),
    ],
)
def test_each_reason_to_drop_is_counted_by_itself(
    bench: Bench, family: int, message: bytes, port: int, reason: str
) -> None:
    count = Count(bench)
    _say(bench, family, message, message, message, port=port)
    drops = {key: packets for (kind, key), packets in count().items() if kind == "drop"}
    assert drops == {reason: 3}


def test_a_vendor_is_counted_by_its_own_network(bench: Bench, family: int) -> None:
    other = {4: "198.51.100.0/24", 6: "2001:db8:51::/48"}[family]
    bench.apply(vendors=(f"{VENDOR[4]}/32", f"{VENDOR[6]}/128", other))
    count = Count(bench)
    for _ in range(4):
        bench.vendor[family].send(b"x", SRV[family], SIP)
    bench.arrived(family)
    found = {key: packets for (kind, key), packets in count().items() if kind == "vendor"}
    assert found == {VENDOR[family]: 5}


def test_a_ban_is_counted_by_its_own_network_and_as_a_reason(bench: Bench, family: int) -> None:
    net = {4: "203.0.113.64/28", 6: "2001:db8:113::60/124"}[family]
    bench.apply(bans=(net,))
    count = Count(bench)
    _say(bench, family, register(token(1).value), register())
    found = count()
    assert (found[("ban", net)], found[("drop", "banned")]) == (2, 2)


def test_a_revoked_token_counts_as_unknown(bench: Bench, family: int) -> None:
    bench.apply(tokens=(token(2),), revoked=(1,))
    count = Count(bench)
    _say(bench, family, register(token(1).value))
    assert count()[("drop", "unknown_token")] == 1


def test_totals_outlive_every_rewrite_of_the_rules(bench: Bench, family: int) -> None:
    """30 applies that rewrite chains and sets, packets between them: none is lost or doubled."""
    count, dice, sent = Count(bench), random.Random(7), 0
    for turn in range(30):
        many = tuple(token(mark) for mark in range(1, 3 + dice.randrange(120)))
        _say(bench, family, register(), register(token(1).value))
        sent += 1
        bench.apply(tokens=many, bans=("192.0.2.0/24",) if turn % 3 else ())
    found = count()
    assert (found[("token", "1")], found[("drop", "no_token")]) == (sent, sent)


def test_an_agent_that_starts_again_opens_a_new_account_at_zero(bench: Bench) -> None:
    _say(bench, 4, register(token(1).value))
    before = bench.channel.counters()
    bench.kill_agent()
    bench.start_agent()
    after = bench.channel.counters()
    assert (after["epoch"] != before["epoch"], after["totals"]) == (True, {})
