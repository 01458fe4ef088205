"""The smallest change, the actions that it needs, and what a person is shown of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from peers.realtime import schema
from peers.realtime.actions import Reload, RemoveContacts, parse_action
from peers.realtime.diff import Change, diff
from peers.realtime.facts import NodeFacts, PeerFacts, ServerFacts, Snapshot, TrunkFacts
from peers.realtime.render import render
from peers.realtime.rows import Rows, row

NODE = NodeFacts("lab", "ddi.lab")
ALICE = PeerFacts("peer_1", "alice", "0" * 32)
TRUNK = TrunkFacts(
    "trunk_1",
    ("203.0.113.20/32",),
    (ServerFacts("203.0.113.20"),),
    "acct",
    "hunter2",
    register=True,
)

REGISTRATION = (Reload("res_pjsip.so"), Reload("res_pjsip_outbound_registration.so"))


def _change(before: Snapshot, after: Snapshot) -> Change:
    return diff(render(after), render(before))


EMPTY = Snapshot(NODE)
BOTH = Snapshot(NODE, (TRUNK,), (ALICE,))


def test_equal_rows_are_no_change() -> None:
    change = _change(BOTH, BOTH)
    assert (change.empty, change.lines(), change.actions) == (True, (), ())


def test_a_changed_peer_needs_no_action() -> None:
    after = Snapshot(NODE, (TRUNK,), (replace(ALICE, codecs=("g722",)),))
    change = _change(BOTH, after)
    assert (change.actions, change.lines()) == (
        (),
        ("~ ps_endpoints alice allow: 'alaw,ulaw' -> 'g722'",),
    )


def test_a_new_peer_needs_no_action() -> None:
    assert _change(Snapshot(NODE, (TRUNK,)), BOTH).actions == ()


def test_a_deleted_peer_loses_its_contacts() -> None:
    assert _change(BOTH, Snapshot(NODE, (TRUNK,))).actions == (RemoveContacts("alice"),)


def test_a_renamed_peer_loses_the_contacts_of_its_old_name() -> None:
    after = Snapshot(NODE, (TRUNK,), (replace(ALICE, username="alicia"),))
    assert _change(BOTH, after).actions == (RemoveContacts("alice"),)


def test_a_changed_registration_reloads_trunks_and_that_module() -> None:
    after = Snapshot(
        NODE, (replace(TRUNK, servers=(ServerFacts("sip.example.net", 5070),)),), (ALICE,)
    )
    assert _change(BOTH, after).actions == REGISTRATION


def test_a_changed_password_of_a_trunk_reloads_registrations() -> None:
    after = Snapshot(NODE, (replace(TRUNK, password="hunter3"),), (ALICE,))
    assert _change(BOTH, after).actions == REGISTRATION


def test_a_watched_vendor_needs_a_reload_of_res_pjsip() -> None:
    watched = replace(TRUNK, qualify=True)
    change = _change(BOTH, Snapshot(NODE, (watched,), (ALICE,)))
    assert change.actions == (Reload("res_pjsip.so"),)


def test_a_deleted_vendors_host_is_no_contact_to_remove() -> None:
    watched = replace(TRUNK, register=False)
    before = Snapshot(NODE, (watched,))
    assert _change(before, EMPTY).actions == (Reload("res_pjsip.so"),)


def test_secrets_are_redacted_in_new_changed_and_deleted_rows() -> None:
    hashed = replace(ALICE, digest_ha1_md5="f" * 32)
    changes = (
        _change(EMPTY, BOTH),
        _change(BOTH, Snapshot(NODE, (replace(TRUNK, password="hunter3"),), (hashed,))),
        _change(BOTH, EMPTY),
    )
    shown = "\n".join(line for change in changes for line in change.lines())
    assert "password_digest: ******** (changed)" in shown
    assert not any(secret in shown for secret in ("hunter", "f" * 32, "0" * 32))


def test_each_action_survives_being_written_down() -> None:
    actions = (Reload("res_pjsip.so"), RemoveContacts("alice.b-c_1"))
    assert tuple(parse_action(str(action)) for action in actions) == actions


_ROWS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["x", "y"]), max_size=4
).map(lambda found: Rows.of(row(schema.NUMBERS, key, display=text) for key, text in found.items()))


@given(_ROWS, _ROWS)
def test_a_change_applied_to_the_old_rows_gives_the_new_ones(before: Rows, after: Rows) -> None:
    change = diff(after, before)
    result = dict(before.by_key)
    for gone in change.deletes:
        del result[gone.table, gone.id]
    for update in change.updates:
        result[update.after.table, update.after.id] = update.after
    for new in change.inserts:
        assert (new.table, new.id) not in result
        result[new.table, new.id] = new
    assert Rows.of(result.values()) == after
