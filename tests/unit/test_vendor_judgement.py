"""Which resolved addresses are let in, from rows and times alone."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from peers.vendor_names import (
    MOST_ADDRESSES,
    MOST_NETWORKS,
    Claim,
    Known,
    Outcome,
    Static,
    judge,
    not_counted,
    settle,
    unusable,
)

pytestmark = pytest.mark.unit

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def claim(pk: int, trunk: int, address: str, *, age: int = 0, gone: bool = False) -> Claim:
    return Claim(pk, trunk, address, NOON - age * HOUR, gone)


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"), ("127.8.8.8", "loopback"), ("::1", "loopback"),
        ("169.254.169.254", "link-local"), ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"), ("ff02::1", "multicast"),
        ("0.1.2.3", "no address"), ("255.255.255.255", "no address"), ("240.0.0.1", "no address"),
        ("10.0.0.1", "private"), ("172.31.0.1", "private"), ("192.168.1.1", "private"),
        ("100.64.0.1", "private"), ("fd00::1", "private"),
        ("::", "no public"), ("::ffff:203.0.113.20", "no public"), ("64:ff9b::1", "no public"),
        ("2002:cb00:7114::1", "tunnel"), ("2001:0:1::1", "tunnel"),
    ],
)  # fmt: skip
def test_an_address_that_can_be_no_vendors_is_named_by_its_kind(address: str, word: str) -> None:
    assert word in unusable(address, private_allowed=False)


@pytest.mark.parametrize("address", ["203.0.113.20", "8.8.8.8", "2001:db8::20", "2a00:1450::1"])
def test_a_public_address_is_usable(address: str) -> None:
    assert unusable(address, private_allowed=False) == ""


def test_a_private_address_is_usable_where_the_trunk_says_so() -> None:
    assert unusable("10.1.2.3", private_allowed=True) == ""
    assert unusable("127.0.0.1", private_allowed=True) != ""


def test_an_address_and_one_in_its_grace_are_both_let_in() -> None:
    judged = judge([], [claim(1, 1, "203.0.113.20", gone=True), claim(2, 1, "203.0.113.21")])
    assert judged.resolved(1) == ("203.0.113.20/32", "203.0.113.21/32")


def test_an_address_in_another_trunks_network_is_noted_and_not_let_in() -> None:
    judged = judge([Static(2, "203.0.113.0/24")], [claim(1, 1, "203.0.113.20")])
    assert judged.resolved(1) == ()
    assert "203.0.113.0/24" in judged.notes[1]


def test_an_address_in_the_trunks_own_network_is_let_in() -> None:
    judged = judge([Static(1, "203.0.113.0/24")], [claim(1, 1, "203.0.113.20")])
    assert judged.notes == {}


def test_an_address_that_is_written_down_too_stands_once() -> None:
    judged = judge([Static(1, "203.0.113.20/32")], [claim(1, 1, "203.0.113.20")])
    assert judged.resolved(1) == ()


def test_of_two_trunks_the_earlier_one_has_the_address() -> None:
    judged = judge([], [claim(1, 1, "203.0.113.20"), claim(2, 2, "203.0.113.20", age=5)])
    assert (judged.resolved(1), judged.resolved(2)) == ((), ("203.0.113.20/32",))


def test_a_name_that_leads_there_now_wins_over_one_in_its_grace() -> None:
    judged = judge([], [claim(1, 1, "203.0.113.20", age=9, gone=True), claim(2, 2, "203.0.113.20")])
    assert judged.pairs() == {(2, "203.0.113.20/32")}


def test_the_nodes_own_address_is_not_let_in() -> None:
    judged = judge([], [claim(1, 1, "2001:db8::10")], ["2001:DB8::0:10"])
    assert "own address" in judged.notes[1]


def test_names_never_bring_a_node_over_what_a_ruleset_takes() -> None:
    static = [Static(1, f"10.{n // 256}.{n % 256}.0/24") for n in range(MOST_NETWORKS - 1)]
    judged = judge(static, [claim(1, 1, "203.0.113.20"), claim(2, 1, "203.0.113.21")])
    assert judged.resolved(1) == ("203.0.113.20/32",)


def test_the_order_of_the_rows_has_no_meaning() -> None:
    rows = [
        claim(1, 1, "203.0.113.20", age=2), claim(2, 2, "203.0.113.20", age=3),
        claim(3, 2, "203.0.113.21", gone=True), claim(4, 1, "203.0.113.21"),
    ]  # fmt: skip
    found = {judge([], order).pairs() for order in itertools.permutations(rows)}
    assert len(found) == 1


def test_an_address_that_is_answered_no_more_is_gone_and_not_removed() -> None:
    done = settle([Known(1, "203.0.113.20")], ["203.0.113.21"], whole=True, now=NOON)
    assert done == Outcome(added=("203.0.113.21",), gone=(1,))


def test_an_answer_without_addresses_changes_nothing() -> None:
    assert settle([Known(1, "203.0.113.20", NOON - HOUR)], [], whole=True, now=NOON) == Outcome()


def test_a_part_of_an_answer_adds_and_takes_nothing() -> None:
    known = [Known(1, "203.0.113.20"), Known(2, "203.0.113.22", NOON - HOUR)]
    done = settle(known, ["203.0.113.21"], whole=False, now=NOON)
    assert done == Outcome(added=("203.0.113.21",))


@pytest.mark.parametrize(("ends", "expired"), [(HOUR, ()), (timedelta(0), (1,)), (-HOUR, (1,))])
def test_a_gone_address_expires_when_its_grace_ends(
    ends: timedelta, expired: tuple[int, ...]
) -> None:
    known = [Known(1, "203.0.113.20", NOON + ends), Known(2, "203.0.113.21")]
    assert settle(known, ["203.0.113.21"], whole=True, now=NOON).expired == expired


def test_an_address_that_returns_does_not_expire() -> None:
    done = settle([Known(1, "203.0.113.20", NOON - HOUR)], ["203.0.113.20"], whole=True, now=NOON)
    assert done == Outcome(seen=(1,))


def test_a_name_keeps_no_more_addresses_than_the_limit() -> None:
    known = [Known(n, f"203.0.113.{n}", NOON + n * HOUR) for n in range(1, MOST_ADDRESSES + 1)]
    done = settle(known, ["198.51.100.1", "198.51.100.2"], whole=True, now=NOON)
    assert done.expired == (1, 2)


def test_addresses_that_are_all_new_put_the_old_ones_out_at_the_limit() -> None:
    known = [Known(n, f"203.0.113.{n}") for n in range(1, MOST_ADDRESSES + 1)]
    new = [f"198.51.100.{n}" for n in range(1, MOST_ADDRESSES + 1)]
    done = settle(known, new, whole=True, now=NOON)
    assert (len(done.added), len(done.expired), done.gone) == (MOST_ADDRESSES, MOST_ADDRESSES, ())


@pytest.mark.parametrize(
    ("step", "lost"),
    [(60, 0), (3600, 0), (86_400, 86_400), (-60, -60), (-86_400, -86_400)],
)
def test_time_that_the_clock_jumped_is_not_counted(step: int, lost: int) -> None:
    found = not_counted(NOON, NOON + timedelta(seconds=step))
    assert found == timedelta(seconds=lost)


def test_the_first_look_loses_no_time() -> None:
    assert not_counted(None, NOON) == timedelta(0)
