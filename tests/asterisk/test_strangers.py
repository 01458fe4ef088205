"""Who must not get in, and what must not change the flow, on the real Asterisk."""

import re
import sqlite3
import zlib

import pytest

from lab import sipp
from lab.phones import PjsuaPhone
from lab.vendor import SERVER
from peers.realtime.events import incident
from tests.asterisk.conftest import LONDON, PASSWORD, Bench, ring, snapshot

STRANGER = "203.0.113.66"
TARGET = f"{SERVER}:5060"


def _register(bench: Bench, user: str, password: str) -> sipp.Trace:
    return sipp.run(
        bench.world.ns["attacker"],
        bench.folder / "attacker",
        "register",
        address=STRANGER,
        target=TARGET,
        keys={"user": user, "agent": "friendly-scanner"},
        login=(user, password),
    )


def _dialled(bench: Bench) -> str:
    """The one step in which a vendor's call rings phones."""
    start = len(bench.dialplan())
    bench.vendor().call(LONDON)
    (step,) = [line for line in bench.dialplan()[start:].splitlines() if " Dial(" in line]
    return step


@pytest.mark.parametrize("user", ["trunk_1", "alice", "+441632960000", "anonymous"])
def test_a_strangers_invite_reaches_no_dialplan_whoever_he_says_he_is(
    bench: Bench, user: str
) -> None:
    before = bench.dialplan()
    attempt = bench.vendor(STRANGER, "attacker").call(LONDON, user)
    sipp.settle()
    assert (attempt.status, bench.dialplan()) == (401, before)


def test_the_right_user_with_a_wrong_password_is_401(bench: Bench) -> None:
    assert _register(bench, "alice", "wrong").statuses == (401, 401)


def test_an_unknown_user_can_not_be_told_from_a_wrong_password(bench: Bench) -> None:
    assert _register(bench, "nobody", "wrong").statuses == (401, 401)


def test_a_trunk_can_not_be_registered_to(bench: Bench) -> None:
    assert 200 not in _register(bench, "trunk_1", PASSWORD).statuses


def test_a_wrong_password_is_an_incident_with_its_address(bench: Bench) -> None:
    with bench.pbx.client(events=True) as client:
        _register(bench, "alice", "wrong")
        found = None
        while found is None:
            event = client.next_event(5)
            assert event is not None
            found = incident(event)
    assert (found.kind, found.account, found.address) == ("wrong_password", "alice", STRANGER)


@pytest.mark.parametrize(
    "display",
    [
        '"${SHELL(touch /tmp/owned)}"',
        '"a,b&PJSIP/alice|1"',
        '"$[1+1] ^5E ^3B"',
        '"Robert\'); DROP TABLE ddi_steps;--"',
        '"<script>alert(1)</script>"',
        '"=cmd()"',
        '"' + "A" * 500 + '"',
    ],
)
def test_a_hostile_name_of_the_caller_changes_nothing(
    bench: Bench, phone: PjsuaPhone, display: str
) -> None:
    start = len(bench.dialplan().splitlines())
    assert bench.vendor().call(LONDON, display=display).status == 200
    steps = re.findall(
        r"Executing \[(\S+)\] (\w+)", "\n".join(bench.dialplan().splitlines()[start:])
    )
    assert steps, "the console tells of none"
    bench.vendor().call(LONDON)
    again = bench.dialplan().splitlines()[start + len(steps) :]
    assert re.findall(r"Executing \[(\S+)\] (\w+)", "\n".join(again)) == steps


@pytest.mark.parametrize(
    "number", ["%24%7BSHELL(id)%7D", "a%2Cb", "1%262", "%22%3E%3Cx", "h", "%00", "%0D%0Aevil"]
)
def test_a_hostile_number_of_the_caller_reaches_the_phone_as_digits(
    bench: Bench, phone: PjsuaPhone, number: str
) -> None:
    status = bench.vendor().call(LONDON, number).status
    if status == 200:
        user = phone.wait_for_call().header("From").partition("@")[0]
        assert re.fullmatch(r'("[^"]*" )?<sip:[+0-9]*(anonymous)?', user), user
    else:
        assert status in (0, 400)


@pytest.mark.parametrize(
    "ddi",
    [
        f"{LONDON}%26PJSIP%2Falice",
        f"{LONDON}%24%7BSHELL(id)%7D",
        f"{LONDON}%2C30%2Cg",
        f"{LONDON})%22",
        "%24%7BEXTEN%7D",
        f"{LONDON}-1",
    ],
)
def test_a_hostile_ddi_is_only_its_digits(bench: Bench, phone: PjsuaPhone, ddi: str) -> None:
    before = len(bench.dialplan())
    assert bench.vendor().call(ddi).status in (200, 404)
    keys = re.findall(r"\bNUMBER=(\S*)\"", bench.dialplan()[before:])
    assert bool(keys) is (LONDON in ddi), "what has no digit reaches no step, the others do"
    # Empty: of a number that no row has, a block is looked for.
    assert [key for key in keys if not re.fullmatch(r"(trunk_[12]-[0-9]{3,18})?", key)] == []


def test_a_row_changed_by_hand_is_never_an_application(bench: Bench, phone: PjsuaPhone) -> None:
    key = f"trunk_1-{LONDON}-1"
    with sqlite3.connect(bench.folder / "realtime.sqlite3") as connection:
        connection.execute(
            "UPDATE ddi_steps SET target = ?, timeout = ? WHERE id = ?",
            ("alice&Local/s@from-peer&${SHELL(id)},1,g)", "5,U(x)", key),
        )
    dialled = _dialled(bench)
    assert '"PJSIP/alice/sip:' in dialled
    assert [word for word in ("Local", "SHELL", "U(", ",g") if word in dialled] == []
    bench.apply(snapshot(steps=(ring(),)))


def test_a_phones_contact_can_not_add_a_destination(bench: Bench) -> None:
    """The address in REGISTER is the phone's own word: it must not become part of a dial string."""
    trace = sipp.run(
        bench.world.ns["attacker"],
        bench.folder / "attacker",
        "register-contact",
        address=STRANGER,
        target=TARGET,
        keys={"user": "alice", "agent": "x", "contact_parameter": "a&PJSIP/trunk_1/sip:999"},
        login=("alice", PASSWORD),
    )
    assert trace.statuses == (401, 200)
    bench.apply(snapshot(steps=(ring(timeout=1),)))
    dialled = _dialled(bench)
    assert f'"PJSIP/alice/sip:alice@{STRANGER}:' in dialled
    assert "&" not in dialled
    assert "999" not in dialled


@pytest.mark.parametrize(
    "display",
    [
        '"x\\r\\nEvent: Cdr\\r\\nUserField: 1"',
        '"a\tb"',
        '"\u202egnp.exe"',
        '"caf\u00e9 \U0001f4de"',
    ],
)
def test_a_hostile_name_stays_out_of_the_call_record(
    bench: Bench, phone: PjsuaPhone, display: str
) -> None:
    caller = f"+44163296{zlib.crc32(display.encode()) % 10_000:04}"
    assert bench.vendor().call(LONDON, caller, display=display).status == 200
    assert [record.number for record in bench.records(caller)] == [LONDON]
