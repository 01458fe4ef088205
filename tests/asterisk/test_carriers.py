"""Each carrier of the token with a real phone: it registers, rings, and both sides are heard."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.stack import Stack
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ

pytestmark = pytest.mark.asterisk
PHONE_TONE_HZ = 600
LINPHONE_TONE_HZ = 700
NUMBERS = {"user_agent": "+442079460801", "contact": "+442079460802", "username": "+442079460803"}
Phone = dict[str, Any]


@pytest.fixture
def account(stack: Stack) -> Iterator[Callable[[str], Phone]]:
    """Make a peer with a number that rings it, for a carrier."""
    made: list[Phone] = []
    numbers: list[int] = []

    def make(carrier: str) -> Phone:
        phone = stack.peer(f"Carrier {carrier} {len(made)}".replace("_", "-"), carrier=carrier)
        made.append(phone)
        trunk = stack.rows("/trunks/")[0]["id"]
        steps = [{"kind": "ring", "peers": [phone["id"]], "timeout": 20}]
        body = {"trunk": trunk, "e164": NUMBERS[carrier], "steps": steps}
        numbers.append(stack.ask("POST", "/numbers/", body)["id"])
        stack.settled()
        return phone

    yield make
    for number in numbers:
        stack.ask("DELETE", f"/numbers/{number}/")
    for phone in made:
        stack.ask("DELETE", f"/peers/{phone['id']}/")
    stack.settled()


def states(stack: Stack, phone: Phone) -> list[str]:
    rows = stack.rows(f"/tokens/?peer={phone['id']}")
    return [row["state"] for row in sorted(rows, key=lambda row: row["id"])]


def vendor(stack: Stack, folder: Path) -> PjsuaPhone:
    namespace = stack.world().ns["vendor"]
    return PjsuaPhone(namespace, folder, address=FIRST, port=5060, tone_hz=VENDOR_TONE_HZ)


def pjsua(stack: Stack, folder: Path, agent: str = "plain/1") -> PjsuaPhone:
    namespace = stack.world().ns["phone"]
    return PjsuaPhone(namespace, folder, user_agent=agent, tone_hz=PHONE_TONE_HZ)


@pytest.mark.parametrize("carrier", ["user_agent", "username"])
def test_a_pjsip_phone_registers_rings_and_is_heard_both_ways(
    stack: Stack, account: Callable[[str], Phone], carrier: str, tmp_path: Path
) -> None:
    mine = account(carrier)
    by_name = carrier == "username"
    user = mine["token"] if by_name else mine["username"]
    phone = pjsua(stack, tmp_path / "p", "plain/1" if by_name else f"plain/1 {mine['token']}")
    with phone, vendor(stack, tmp_path / "v") as caller:
        assert phone.register(user, mine["password"], SERVER).registered
        wait_until(lambda: states(stack, mine) == ["current"], 8, "the token is seen")
        wait_until(lambda: stack.rows(f"/contacts/?endpoint={mine['key']}"), 8, "it is shown")
        caller.identify("+441632960555", FIRST)
        assert caller.call(f"sip:{NUMBERS[carrier][1:]}@{SERVER}").status == 200
        phone.heard(0.5), caller.heard(0.5)
        assert (phone.heard(1.5).hz, caller.heard(1.5).hz) == (VENDOR_TONE_HZ, PHONE_TONE_HZ)
        caller.hangup()


def test_a_linphone_with_the_token_in_its_contact_registers_rings_and_is_heard(
    stack: Stack, account: Callable[[str], Phone], tmp_path: Path
) -> None:
    mine = account("contact")
    carried = f"x-ddi={mine['token']}"
    phone = LinphonePhone(stack.world().ns["phone"], tmp_path / "l", contact_parameters=carried)
    with phone as linphone, vendor(stack, tmp_path / "v") as caller:
        assert linphone.register(mine["username"], mine["password"], SERVER)
        caller.identify("+441632960555", FIRST)
        assert caller.call(f"sip:{NUMBERS['contact'][1:]}@{SERVER}").status == 200
        linphone.play()
        caller.heard(0.5)
        assert caller.heard(2.0).hz == LINPHONE_TONE_HZ
        caller.hangup()
        # Asterisk doesn't show the parameter: the kernel's count beside the REGISTER tells.
        wait_until(lambda: states(stack, mine) == ["current"], 20, "the token is heard")


def test_a_username_that_is_a_token_rotates_without_a_flag_day(
    stack: Stack, account: Callable[[str], Phone]
) -> None:
    mine = account("username")
    old = {"user": mine["token"], "password": mine["password"]}
    with stack.line("phone") as first, stack.line("phone") as second:
        assert first("register", **old)["status"] == 200
        rotated = stack.ask("POST", f"/peers/{mine['id']}/rotate/", {"grace_seconds": 10})
        stack.settled()
        # A stored hash holds the username, so a new one comes with a new password.
        secrets = rotated["secrets"]
        new = {"user": secrets["token"], "password": secrets["password"]}
        assert second("register", **new)["status"] == 200
        assert first("register", **old)["status"] == 200  # both names are accepted in the grace
        wait_until(lambda: states(stack, mine) == ["revoked", "current"], 25, "the grace ends")
        stack.settled()
        said = first("register", **old)["answers"]  # an OPTIONS of the grace may still lie there
        assert not [text for text in said if text.startswith("SIP/2.0")]
        assert second("register", **new)["status"] == 200


def test_a_phone_with_the_wrong_token_for_a_name_is_silence(
    stack: Stack, account: Callable[[str], Phone]
) -> None:
    mine = account("username")
    wrong = mine["token"][:-1] + ("a" if mine["token"][-1] != "a" else "b")
    with stack.line("attacker") as say:
        assert say("register", user=wrong, password=mine["password"])["answers"] == []
        assert say("register", user=mine["username"], password=mine["password"])["answers"] == []


def test_no_log_and_no_plan_of_the_panel_shows_a_username_that_is_a_token(
    stack: Stack, account: Callable[[str], Phone]
) -> None:
    mine = account("username")
    with stack.line("phone") as say:
        assert say("register", user=mine["token"], password=mine["password"])["status"] == 200
    wait_until(lambda: states(stack, mine) == ["current"], 8, "the token is seen")
    plans = str(stack.deployments()) + str(stack.rows("/contacts/"))
    logs = [path for path in (stack.folder / "log").rglob("*") if path.is_file()]
    assert len(logs) > 5
    assert mine["token"] not in plans
    assert not [path.name for path in logs if mine["token"] in path.read_text(errors="replace")]
