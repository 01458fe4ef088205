"""The lab's vendor: calls by sipp for the exact status, by PJSIP where audio must be heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import sipp
from lab.phones import CallState, PjsuaPhone
from lab.process import Namespace
from lab.tone import Heard

VENDOR_TONE_HZ = 1000
SERVER = "203.0.113.10"
FIRST = "203.0.113.20"
SECOND = "203.0.113.21"


@dataclass(frozen=True)
class Attempt:
    """A call by sipp: ``status`` is the final one (0: silence), ``seen`` all that came."""

    status: int
    seen: tuple[int, ...]

    @property
    def answered(self) -> bool:
        """Whether somebody took the call."""
        return self.status == 200

    @property
    def rang(self) -> bool:
        """Whether a phone rang."""
        return 180 in self.seen


@dataclass(frozen=True)
class AudioCall:
    """A call with audio: what the vendor heard and what the phone heard."""

    state: CallState
    vendor_heard: Heard
    phone_heard: Heard


@dataclass(frozen=True)
class Vendor:
    """A vendor's host; ``address`` is what it sends from, ``server`` whom it calls."""

    ns: Namespace | None
    folder: Path
    address: str = FIRST
    server: str = SERVER
    port: int = 5060

    def call(
        self,
        ddi: str,
        from_number: str = "+441632960000",
        *,
        display: str = "",
        to: str = "",
        header: str = "",
        hold_ms: int = 300,
        source_port: int = 5060,
        timeout: float = 20.0,
    ) -> Attempt:
        """Call ``ddi`` (the user of the request URI) and hang up after ``hold_ms``.

        ``display`` stands before the address in From, with its quotes; ``to`` is the user of To;
        ``header`` a header line more.
        """
        trace = sipp.run(
            self.ns,
            self.folder,
            "invite",
            address=self.address,
            port=source_port,
            target=_target(self.server, self.port),
            hold_ms=hold_ms,
            timeout=timeout,
            keys={
                "ruri_user": ddi,
                "to_user": to or ddi,
                "from_user": from_number,
                "from_display": f"{display} " if display else "",
                "extra": f"-\r\n{header}" if header else "-",
            },
        )
        return Attempt(trace.final, trace.statuses)

    def call_with_audio(
        self,
        ddi: str,
        phone: PjsuaPhone,
        from_number: str = "+441632960000",
        *,
        seconds: float = 1.5,
        wait: float = 10.0,
    ) -> AudioCall:
        """Call ``ddi``, play 1000 Hz for ``seconds``, and ask both ends what they heard."""
        host = _host(self.server)
        with PjsuaPhone(
            self.ns,
            self.folder / "audio",
            user_agent="vendor",
            tone_hz=VENDOR_TONE_HZ,
            address=self.address,
            port=5060,
        ) as caller:
            caller.identify(from_number, _host(self.address))
            state = caller.call(f"sip:{ddi}@{host}:{self.port}", wait=wait)
            silence = Heard(0, 0.0, 0.0)
            if not state.answered:
                return AudioCall(state, silence, silence)
            heard = caller.heard(seconds)
            there = phone.heard(0.2)
            caller.hangup()
        return AudioCall(state, heard, there)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _target(address: str, port: int) -> str:
    return f"{_host(address)}:{port}"
