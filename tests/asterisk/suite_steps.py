"""Each kind of step of a route, proved by a real call: what the caller hears, and the phone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.iax_phone import IaxPhone
from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.tone import heard_in
from lab.vendor import VENDOR_TONE_HZ
from tests.asterisk.sipp_phone import SippPhone
from tests.asterisk.suite import (
    ELSEWHERE,
    LINPHONE_TONE_HZ,
    PHONE_TONE_HZ,
    THERE_TONE_HZ,
    Line,
    Phone,
    Suite,
    uri,
)

SOUND_TONE_HZ = 700
#: Of 50 packets of audio a second, those that must come; how far a tone may be measured wrong.
PACKETS, NEAR_HZ = 40.0, 30


@dataclass(frozen=True)
class Talk:
    """A call that is to be made: who calls whom by which trunk."""

    suite: Suite
    line: Line
    caller: PjsuaPhone
    phone: Phone
    ddi: str

    def call(self, status: int = 200) -> None:
        """Call; AssertionError if it ends in anything else than ``status``."""
        state = self.caller.call(uri(self.ddi, self.line.transport), wait=15)
        assert state.status == status, (state.status, state.reason)

    def hears(self, hz: int, who: PjsuaPhone | None = None, seconds: float = 1.5) -> None:
        """Listen at the caller's end, or at ``who``'s; AssertionError naming what was heard."""
        heard = (who or self.caller).heard(seconds).hz
        assert abs(heard - hz) <= NEAR_HZ, f"{heard} Hz was heard, not {hz}"


def _heard_at_both_ends(talk: Talk) -> None:
    talk.call()
    phone = talk.phone
    if isinstance(phone, LinphonePhone):
        phone.play()
        talk.hears(LINPHONE_TONE_HZ, seconds=2.5)
        # It tells how much it hears, not what.
        came = phone.receives()
        assert came > PACKETS, f"{came:.0f} packets a second came"
    elif isinstance(phone, SippPhone):
        talk.hears(VENDOR_TONE_HZ)
    elif isinstance(phone, PjsuaPhone):
        talk.hears(PHONE_TONE_HZ)
        talk.hears(VENDOR_TONE_HZ, phone, 0.2)
    else:
        talk.hears(PHONE_TONE_HZ)
        heard = phone.heard().hz
        assert abs(heard - VENDOR_TONE_HZ) <= NEAR_HZ, f"the phone heard {heard} Hz"
    talk.caller.hangup()


def _forwarded(talk: Talk) -> None:
    with talk.suite.elsewhere(talk.line) as there:
        talk.call()
        talk.hears(THERE_TONE_HZ if there else VENDOR_TONE_HZ)
        if there:
            talk.hears(VENDOR_TONE_HZ, there, 0.2)
            invite = there.state().incoming[0].message
            assert f"SIP/2.0/{talk.line.transport.upper()} " in invite, invite
        talk.caller.hangup()


def _message_left(talk: Talk) -> None:
    stack, box = talk.suite.stack, talk.suite.made["mailboxes"]["id"]
    talk.call()
    talk.hears(SOUND_TONE_HZ, seconds=0.8)
    talk.caller.heard(3.0)  # the greeting ends, and it speaks
    talk.caller.hangup()
    path = f"/voicemail/?mailbox={box}"
    wait_until(lambda: len(stack.rows(path)) == 1, 30, "the message is in the panel")
    message = stack.rows(path)[0]["id"]
    file = talk.suite.next_folder("m").with_suffix(".wav")
    file.write_bytes(stack.download(f"/voicemail/{message}/audio/"))
    heard = heard_in(file).hz
    stack.ask("DELETE", f"/voicemail/{message}/")
    assert abs(heard - VENDOR_TONE_HZ) <= NEAR_HZ, f"the message holds {heard} Hz"
    wait_until(lambda: not stack.rows(path), 30, "the message is deleted")


def _announced(talk: Talk) -> None:
    talk.call()
    talk.hears(SOUND_TONE_HZ, seconds=0.8)
    talk.caller.hangup()


def _rejected(talk: Talk) -> None:
    talk.call(404)


@dataclass(frozen=True)
class Step:
    """``last`` is what the route ends in; before it the phone is rung, and refuses if it shall."""

    prove: Callable[[Talk], None]
    last: Callable[[Suite], dict[str, Any]] | None = None
    in_turn: bool = False


def _id(suite: Suite, kind: str) -> int:
    return int(suite.made[kind]["id"])


STEPS = {
    "ring": Step(_heard_at_both_ends),
    "in turn": Step(_heard_at_both_ends, in_turn=True),
    "forward": Step(
        _forwarded,
        lambda suite: {
            "kind": "forward",
            "forward_to": ELSEWHERE,
            "policy": _id(suite, "outgoing-policies"),
        },
    ),
    "voicemail": Step(
        _message_left, lambda suite: {"kind": "voicemail", "mailbox": _id(suite, "mailboxes")}
    ),
    "announce": Step(_announced, lambda suite: {"kind": "announce", "sound": _id(suite, "sounds")}),
    "reject": Step(_rejected, lambda suite: {"kind": "reject", "cause": "not_found"}),
}


def call(suite: Suite, line: Line, transport: str, name: str, kind: str = "pjsip") -> None:
    """One call of a vendor to a number whose route ends in the step ``name``.

    Where it is not the phone that answers, it is rung first and refuses the call. AssertionError
    naming what was not as it shall be.
    """
    step = STEPS[name]
    people = ["absent", transport] if step.in_turn else [transport]
    ring = {"peers": [suite.peers[one]["id"] for one in people], "in_turn": step.in_turn}
    steps = [{"kind": "ring", **ring}, *([step.last(suite)] if step.last else [])]
    refuses = step.last is not None
    options = {"busy": refuses} if transport == "iax" else {}
    with suite.phone(transport, kind, **options) as phone, suite.vendor(line) as caller:
        ddi = suite.route(line.number, steps)
        suite.register(phone, transport)
        if refuses and isinstance(phone, PjsuaPhone):
            phone.answer_with(486)
        step.prove(Talk(suite, line, caller, phone, ddi))
        if refuses:
            assert _rang(phone), "the phone did not ring first"


def _rang(phone: Phone) -> bool:
    if isinstance(phone, IaxPhone):
        return phone.rang()
    return isinstance(phone, PjsuaPhone) and len(phone.state().incoming) == 1
