"""Facts to rows: what stands in them, and that nothing else ever does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddiweb.deploy.errors import Refused
from peers.realtime import schema
from peers.realtime.facts import (
    NodeFacts,
    NumberFacts,
    PeerFacts,
    ServerFacts,
    Snapshot,
    StepFacts,
    TrunkFacts,
)
from peers.realtime.render import render
from peers.realtime.rows import Rows, row

SIP = ServerFacts("sip.example.net")
NODE = NodeFacts("lab", "ddi.lab")
HA1 = "0123456789abcdef" * 2
TRUNK = TrunkFacts("trunk_1", ("203.0.113.20/32", "2001:db8::20/128"))
ALICE = PeerFacts("peer_1", "alice", HA1)
BOB = PeerFacts("peer_2", "bob", HA1)


def _rows(**parts: object) -> Rows:
    facts = {"trunks": (TRUNK,), "peers": (ALICE, BOB)} | parts
    return render(Snapshot(NODE, **facts))  # type: ignore[arg-type]


def _row(rows: Rows, table: str, key: str) -> dict[str, str]:
    return rows.by_key[table, key].as_dict()


def _number(*steps: StepFacts) -> NumberFacts:
    return NumberFacts("442079460123", "trunk_1", "London", steps)


def test_a_trunk_is_identified_by_its_address_and_by_nothing_else() -> None:
    endpoint = _row(_rows(), "trunk_endpoints", "trunk_1")
    assert (endpoint["identify_by"], endpoint["context"]) == ("ip", "from-trunk")


def test_all_networks_of_a_trunk_stand_in_one_identify() -> None:
    identify = _row(_rows(), "trunk_identifies", "trunk_1")
    assert identify["match"] == "2001:db8::20/128,203.0.113.20/32"


def test_a_trunk_without_networks_has_no_identify() -> None:
    rows = _rows(trunks=(TrunkFacts("trunk_1", ()),))
    assert rows.table("trunk_identifies") == ()


def test_a_peer_keeps_one_contact_and_a_new_one_replaces_it() -> None:
    aor = _row(_rows(), "ps_aors", "alice")
    assert (aor["max_contacts"], aor["remove_existing"], aor["qualify_frequency"]) == (
        "1",
        "yes",
        "30",
    )


def test_a_peers_password_stands_as_a_hash_of_its_realm() -> None:
    auth = _row(_rows(), "ps_auths", "alice")
    assert (auth["password_digest"], auth["realm"], auth["password"]) == (
        f"MD5:{HA1}",
        "ddi.lab",
        "",
    )


def test_a_disabled_peer_has_no_rows() -> None:
    rows = _rows(peers=(PeerFacts("peer_1", "alice", HA1, enabled=False),))
    assert [one for one in rows.rows if one.id == "alice"] == []


def test_a_disabled_peer_is_no_target() -> None:
    off = PeerFacts("peer_1", "alice", HA1, enabled=False)
    step = StepFacts(1, "ring", ("peer_1", "peer_2"))
    rows = _rows(peers=(off, BOB), numbers=(_number(step),))
    assert _row(rows, "ddi_steps", "trunk_1-442079460123-1")["target"] == "bob"


def test_steps_are_numbered_from_one_without_gaps() -> None:
    steps = (StepFacts(9, "reject", cause="busy"), StepFacts(3, "ring", ("peer_2", "peer_1"), 12))
    rows = _rows(numbers=(_number(*steps),))
    assert [(one.id, one.as_dict()["kind"]) for one in rows.table("ddi_steps")] == [
        ("trunk_1-442079460123-1", "ring"),
        ("trunk_1-442079460123-2", "reject"),
    ]


def test_several_targets_stand_with_an_ampersand_between() -> None:
    rows = _rows(numbers=(_number(StepFacts(1, "ring", ("peer_2", "peer_1"))),))
    assert _row(rows, "ddi_steps", "trunk_1-442079460123-1")["target"] == "bob&alice"


def test_a_number_of_an_unknown_trunk_is_refused() -> None:
    with pytest.raises(Refused, match="unknown trunk"):
        _rows(numbers=(NumberFacts("442079460123", "trunk_9"),))


def test_a_step_to_an_unknown_peer_is_refused() -> None:
    with pytest.raises(Refused, match="unknown peer"):
        _rows(numbers=(_number(StepFacts(1, "ring", ("peer_9",))),))


def test_a_registration_speaks_ipv6_in_brackets() -> None:
    trunk = TrunkFacts(
        "trunk_1",
        (),
        servers=(ServerFacts("2001:db8::5"),),
        username="acct",
        password="word",
        register=True,
    )
    registration = _row(_rows(trunks=(trunk,)), "trunk_registrations", "trunk_1")
    assert registration["client_uri"] == "sip:acct@[2001:db8::5]:5060"


def test_the_registration_changes_with_the_password_and_does_not_tell_it() -> None:
    def registration(password: str) -> dict[str, str]:
        trunk = TrunkFacts("trunk_1", (), (SIP,), "acct", password, register=True)
        return _row(_rows(trunks=(trunk,)), "trunk_registrations", "trunk_1")

    first, second = registration("word-one"), registration("word-two")
    assert first != second
    assert "word" not in repr(first)


def test_equal_facts_in_any_order_are_equal_rows() -> None:
    assert _rows(peers=(ALICE, BOB)).digest() == _rows(peers=(BOB, ALICE)).digest()


@pytest.mark.parametrize("value", ["a;b", "a^b", "a\nb", "a\0b", " a", "a\t"])
def test_a_row_refuses_what_a_driver_would_change(value: str) -> None:
    with pytest.raises(Refused, match=r"ddi_numbers\.display"):
        row(schema.NUMBERS, "trunk_1-1", display=value)


def test_a_row_never_shows_its_values() -> None:
    assert "secret" not in repr(row(schema.AUTHS, "alice", password="secret"))


def test_no_column_can_be_null_and_each_default_is_plain() -> None:
    for table in schema.TABLES:
        assert all("'" not in column.default for column in table.columns)


@given(st.text(max_size=30))
def test_a_display_is_either_refused_or_carried_as_it_is(value: str) -> None:
    try:
        number = NumberFacts("442079460123", "trunk_1", value)
    except Refused:
        return
    rows = _rows(numbers=(number,))
    assert _row(rows, "ddi_numbers", "trunk_1-442079460123")["display"] == value
