"""What a fact refuses: the last gate before rows, for values that went past form and API."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddiweb.deploy.errors import Refused
from peers.realtime.facts import (
    NodeFacts,
    NumberFacts,
    PeerFacts,
    ServerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)

HA1 = "0" * 32
HOSTILE = [
    "a\nb",
    "a\r\nb",
    "a\0b",
    "a;b",
    "a^3Bb",
    "${SHELL(id)}",
    "a,b",
    'a"b',
    "a b\x7f",
    "a\u2028b",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_username_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"peer\.username"):
        PeerFacts("peer_1", value, HA1)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_display_name_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"peer\.display_name"):
        PeerFacts("peer_1", "alice", HA1, display_name=value)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_number_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"number\.key"):
        NumberFacts(value, "trunk_1")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_host_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"trunk\.server\.host"):
        ServerFacts(value)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_realm_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"node\.realm"):
        NodeFacts("lab", value)


@pytest.mark.parametrize("value", ["a\nb", "a;b", "a^b", "a\0b", " a", "a "])
def test_a_vendors_password_that_a_driver_would_change_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"trunk\.password"):
        TrunkFacts("trunk_1", (), username="u", password=value)


def test_a_vendors_password_may_hold_what_only_the_dialplan_would_read() -> None:
    assert TrunkFacts("trunk_1", (), username="u", password="p$1{x}=").password


@pytest.mark.parametrize("value", ["${SHELL(id)}", "$[1+1]"])
def test_a_row_never_begins_a_variable(value: str) -> None:
    with pytest.raises(Refused, match="begin a variable"):
        TrunkFacts("trunk_1", (), username="u", password=value)


@pytest.mark.parametrize(
    "value", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "10.0.0.1/8", "vendor.example"]
)
def test_a_network_that_lets_strangers_be_the_vendor_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"trunk\.networks"):
        TrunkFacts("trunk_1", (value,))


def test_a_refusal_never_repeats_the_value() -> None:
    with pytest.raises(Refused) as refusal:
        TrunkFacts("trunk_1", (), username="u", password="secret;word")
    assert "secret" not in str(refusal.value)


def test_secrets_are_not_in_the_repr() -> None:
    shown = repr(TrunkFacts("trunk_1", (), username="u", password="hunter2")) + repr(
        PeerFacts("peer_1", "alice", "a" * 32)
    )
    assert "hunter2" not in shown
    assert "a" * 32 not in shown


def test_a_trunk_that_registers_needs_all_it_takes() -> None:
    with pytest.raises(Refused, match="register"):
        TrunkFacts("trunk_1", (), (ServerFacts("sip.example.net"),), register=True)


def test_a_peer_may_not_be_named_like_a_trunk() -> None:
    with pytest.raises(Refused, match="trunk_1"):
        Snapshot(
            NodeFacts("lab", "ddi.lab"),
            (TrunkFacts("trunk_1", ()),),
            (PeerFacts("peer_1", "trunk_1", HA1),),
        )


def test_a_number_stands_once_on_a_trunk() -> None:
    number = NumberFacts("442079460123", "trunk_1")
    with pytest.raises(Refused, match="442079460123"):
        Snapshot(NodeFacts("lab", "ddi.lab"), (TrunkFacts("trunk_1", ()),), (), (number, number))


def test_a_ring_step_rings_somebody() -> None:
    with pytest.raises(Refused, match=r"step\.targets"):
        StepFacts(1, "ring")


@pytest.mark.parametrize("timeout", [0, -1, 601, True])
def test_a_timeout_out_of_range_is_refused(timeout: int) -> None:
    with pytest.raises(Refused, match=r"step\.timeout"):
        StepFacts(1, "ring", ("peer_1",), timeout)


@given(st.text())
def test_a_username_is_either_refused_or_harmless(value: str) -> None:
    try:
        username = PeerFacts("peer_1", value, HA1).username
    except Refused:
        return
    assert username.isascii()
    assert set(username) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
