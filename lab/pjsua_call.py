"""PJSIP's call and account for the scripted phone: callbacks that only note what happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import pjsua2 as pj

from lab.tone import Heard, heard_in

#: PJSIP closes a recording some ticks of 20 ms after it was let go; on a busy machine later.
CLOSE_SECONDS, LATEST_SECONDS = 0.15, 1.5
#: Where a WAV file says how many bytes of sound it has: nothing before it is closed.
_LENGTH_AT = 40


class Owner(Protocol):
    """What a call needs of its phone."""

    tone: Any
    current: Any
    incoming: list[dict[str, Any]]
    lamps: list[str]
    answer_code: int

    def new_file(self) -> Path:
        """Return a path for the next recording."""


class Call(pj.Call):  # type: ignore[misc]  # the library has no types
    """One call; plays the phone's tone and records what it hears."""

    def __init__(self, phone: Owner, account: pj.Account, call_id: int = pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.phone = phone
        self.status = 0
        self.reason = ""
        self.answered = False
        self.ended = False
        self.digits = ""
        self.media: pj.AudioMedia | None = None
        self.recorder: pj.AudioMediaRecorder | None = None
        self.file = Path()
        self.closing: list[Path] = []
        self.heard = Heard(0, 0.0, 0.0)

    def onCallState(self, prm: Any) -> None:  # noqa: N802 - PJSIP's name
        """Note how the call stands."""
        info = self.getInfo()
        self.status, self.reason = info.lastStatusCode, info.lastReason
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.answered = True
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.stop_recording()
            self.ended = True

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        """Connect tone and recorder when audio begins."""
        info = self.getInfo()
        for media in info.media:
            ready = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
            if media.type == pj.PJMEDIA_TYPE_AUDIO and not ready:
                # On hold: what comes after it is a new stream.
                self.stop_recording()
                self.media = None
            if media.type == pj.PJMEDIA_TYPE_AUDIO and ready and self.media is None:
                self.media = self.getAudioMedia(media.index)
                if self.phone.tone is not None:
                    self.phone.tone.startTransmit(self.media)
                self.start_recording()

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        """Note a digit, however it came."""
        self.digits += prm.digit

    def start_recording(self) -> None:
        """Begin a new WAV file."""
        if self.media is not None:
            self.file = self.phone.new_file()
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(str(self.file))
            self.media.startTransmit(self.recorder)

    def stop_recording(self) -> None:
        """Let go of the WAV file; PJSIP closes it with the next tick of its sound clock."""
        if self.recorder is not None:
            self.recorder = None
            self.closing.append(self.file)

    def let_go(self) -> None:
        """End the recording: what was heard counts no longer, and what comes is a new stream."""
        self.listen()
        self.stop_recording()
        self.media = None
        self.heard = Heard(0, 0.0, 0.0)

    def listen(self) -> Heard:
        """Return what was heard so far and go on recording."""
        self.stop_recording()
        if self.closing:
            time.sleep(CLOSE_SECONDS)
        for file in self.closing:
            _wait_for_the_end_of(file)
            now = heard_in(file)
            if now.hz or not self.heard.hz:
                self.heard = now
        self.closing.clear()
        if not self.ended:
            self.start_recording()
        return self.heard


def _wait_for_the_end_of(file: Path) -> None:
    latest = time.monotonic() + LATEST_SECONDS
    while time.monotonic() < latest:
        with file.open("rb") as recording:
            recording.seek(_LENGTH_AT)
            if any(recording.read(4)):
                return
        time.sleep(0.05)


class Account(pj.Account):  # type: ignore[misc]
    """The phone's one account."""

    def __init__(self, phone: Owner):
        super().__init__()
        self.phone = phone
        self.code = 0
        self.registered = False
        self.updates = 0

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        """Note the registrar's answer."""
        self.code = prm.code
        self.updates += 1
        self.registered = bool(self.getInfo().regIsActive)

    def onMwiInfo(self, prm: Any) -> None:  # noqa: N802
        """Note what the message lamp was told (RFC 3842), asked for or not."""
        self.phone.lamps.append(str(prm.rdata.wholeMsg))

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        """Ring or answer, as told."""
        call = Call(self.phone, self, prm.callId)
        info = call.getInfo()
        self.phone.incoming.append(
            {
                "from": info.remoteUri,
                "to": info.localUri,
                "message": str(prm.rdata.wholeMsg),
            }
        )
        self.phone.current = call
        answer = pj.CallOpParam()
        answer.statusCode = self.phone.answer_code
        call.answer(answer)
