"""A scripted SIP phone as a process: JSON lines in, JSON lines out; PJSIP does the telephony.

``python -m lab.pjsua_phone``. Each command (``{"do": …}``) is answered by one line, ``{"ok": true,
…}`` or ``{"ok": false, "error": …}``; the commands are the ``do_`` methods of ``Phone``.
All PJSIP work stays in one thread; a library that calls back into Python from others is not safe.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import pjsua2 as pj

from lab import pjsua_config
from lab.pjsua_call import Account, Call
from lab.tone import Heard


class Phone:
    """The commands."""

    def __init__(self) -> None:
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.account: Account | None = None
        self.current: Call | None = None
        self.tone: pj.ToneGenerator | None = None
        self.address, self.transport = "", "udp"
        self.session_seconds, self.roams = 0, False
        self.folder = Path()
        self.files = 0
        self.incoming: list[dict[str, Any]] = []
        self.lamps: list[str] = []
        self.answer_code = 200
        self.running = True

    def do_start(
        self,
        *,
        user_agent: str,
        folder: str,
        address: str,
        port: int,
        tone_hz: int,
        transport: str,
        ca: str,
        certificate: str = "",
        session_seconds: int = 0,
        roams: bool = False,
    ) -> dict[str, Any]:
        """Start the stack: null sound device, a tone of ``tone_hz`` for each call.

        ``address`` empty: any IPv4 one; ``port`` 0: any. ``transport``: udp, tcp or tls; ``ca`` is
        a PEM file by which the server is verified, ``certificate`` one with our own and its key.
        ``session_seconds``: session timers (RFC 4028). ``roams``: the Contact is the address that
        the registrar sees, which PJSIP needs to follow a change of network.
        """
        self.address, self.transport = address, transport
        self.session_seconds, self.roams = session_seconds, roams
        self.endpoint.libInit(pjsua_config.stack(user_agent, folder))
        options = pjsua_config.socket(address, port, ca, certificate)
        # The wheel of the library has no IPv6.
        self.endpoint.transportCreate(pjsua_config.TRANSPORTS[transport], options)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        self.folder = Path(folder)
        if tone_hz:
            self.tone = pjsua_config.tone(tone_hz)
        return {}

    def do_register(
        self,
        *,
        user: str,
        password: str,
        server: str,
        expires: int,
        wait: float,
    ) -> dict[str, Any]:
        """Register; with an empty password only place calls. Answers when the registrar has."""
        if self.account is not None and self.account.registered:
            # Else PJSIP takes it back while the new one is made, and the last word counts.
            with contextlib.suppress(pj.Error):  # it is renewing it at this moment
                self.do_unregister(wait)
        self.drop_account()
        config = pjsua_config.account(
            user, password, server, expires, transport=self.transport, address=self.address,
            roams=self.roams, session_seconds=self.session_seconds,
        )  # fmt: skip
        self.account = Account(self)
        self.account.create(config)
        account = self.account
        if password:
            self.poll_until(lambda: account.updates > 0, wait)
        return {"registered": account.registered, "code": account.code}

    def do_unregister(self, wait: float) -> dict[str, Any]:
        """Take the registration back."""
        account = self.account
        if account is None:
            return {"registered": False, "code": 0}
        before = account.updates
        account.setRegistration(False)
        self.poll_until(lambda: account.updates > before, wait)
        return {"registered": account.registered, "code": account.code}

    def do_reregister(self, wait: float) -> dict[str, Any]:
        """Send the REGISTER again."""
        account = self.account
        if account is None:
            raise ValueError("no account")
        before = account.updates
        account.code = 0
        account.setRegistration(True)
        self.poll_until(lambda: account.updates > before, wait)
        return {"registered": account.registered, "code": account.code}

    def do_call(self, uri: str, headers: dict[str, str], wait: float) -> dict[str, Any]:
        """Call; answers when the other side has answered or refused, or after ``wait`` seconds."""
        if self.account is None:
            raise ValueError("no account")
        call = Call(self, self.account)
        parameters = pj.CallOpParam(True)
        for name, value in headers.items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            parameters.txOption.headers.append(header)
        self.current = call
        call.makeCall(uri, parameters)
        self.poll_until(lambda: call.answered or call.ended, wait)
        return self.do_status()

    def do_moved(self, wait: float) -> dict[str, Any]:
        """Find that the network has changed: new sockets, REGISTER and re-INVITE from there.

        What was heard before counts no longer.
        """
        account, call = self.account, self.current
        if account is None:
            raise ValueError("no account")
        before, account.code = account.updates, 0
        if call is not None:
            call.let_go()
        self.endpoint.handleIpChange(pj.IpChangeParam())
        self.poll_until(lambda: account.updates > before and (call is None or call.media), wait)
        return {"registered": account.registered, "code": account.code}

    def do_answer(self, code: int) -> dict[str, Any]:
        """Answer all calls to come with ``code``: 200, 180 to let it ring, 486 busy."""
        self.answer_code = code
        return {}

    def do_hangup(self, wait: float) -> dict[str, Any]:
        """End the call."""
        call = self.current
        if call is not None and not call.ended:
            call.hangup(pj.CallOpParam(True))
            self.poll_until(lambda: call.ended, wait)
        if call is not None:
            call.listen()
        return self.do_status()

    def do_hold(self) -> dict[str, Any]:
        """Put the call on hold; what was heard before counts no longer."""
        call = self.talking()
        call.setHold(pj.CallOpParam(True))
        self.poll_until(lambda: call.media is None, 5.0)
        call.let_go()
        return {"held": call.media is None}

    def do_resume(self) -> dict[str, Any]:
        """Take the call back."""
        call = self.talking()
        wish = pj.CallOpParam(True)
        wish.opt.flag = pj.PJSUA_CALL_UNHOLD
        call.reinvite(wish)
        self.poll_until(lambda: call.media is not None, 5.0)
        return {"held": call.media is None}

    def do_dial(self, digits: str, info: bool) -> dict[str, Any]:
        """Send digits within the call: as RFC 4733 events, or by INFO."""
        wish = pj.CallSendDtmfParam()
        wish.digits = digits
        wish.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if info else pj.PJSUA_DTMF_METHOD_RFC2833
        self.talking().sendDtmf(wish)
        self.poll_until(lambda: False, 0.4 * len(digits) + 0.3)
        return {}

    def talking(self) -> Call:
        """The call that is up."""
        if self.current is None or self.current.ended:
            raise ValueError("no call")
        return self.current

    def do_heard(self, seconds: float) -> dict[str, Any]:
        """Listen for ``seconds`` more and answer with the tone."""
        self.poll_until(lambda: False, seconds)
        heard = self.current.listen() if self.current else Heard(0, 0.0, 0.0)
        return {"hz": heard.hz, "share": heard.share, "seconds": heard.seconds}

    def do_status(self) -> dict[str, Any]:
        """Tell the registration, the last call and the calls that came in."""
        call, account = self.current, self.account
        return {
            "registered": bool(account and account.registered),
            "code": account.code if account else 0,
            "call": call
            and {
                "status": call.status,
                "reason": call.reason,
                "answered": call.answered,
                "ended": call.ended,
                "hz": call.heard.hz,
                "digits": call.digits,
            },
            "incoming": self.incoming,
            "lamps": self.lamps,
        }

    def do_press(self, digits: str, wait: float) -> dict[str, Any]:
        """Press keys (RFC 4733) and go on for ``wait`` seconds."""
        if self.current is None:
            raise ValueError("no call")
        self.current.dialDtmf(digits)
        self.poll_until(lambda: False, wait)
        return {}

    def do_quit(self) -> dict[str, Any]:
        """End the process after this answer."""
        self.running = False
        return {}

    def new_file(self) -> Path:
        """Return a path for the next recording."""
        self.files += 1
        return self.folder / f"heard-{self.files}.wav"

    def drop_account(self) -> None:
        """Forget the account."""
        if self.account is not None:
            self.account.shutdown()
            self.account = None

    def poll_until(self, done: Any, seconds: float) -> None:
        """Let PJSIP work until ``done()`` or the time is over."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            self.endpoint.libHandleEvents(20)

    def command(self, line: str) -> dict[str, Any]:
        """Do one command line."""
        try:
            given = json.loads(line)
            verb = given.pop("do")
            method = getattr(self, f"do_{verb}")
            return {"ok": True, **method(**given)}
        except pj.Error as error:
            return {"ok": False, "error": error.info()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    def run(self, answers: TextIO) -> None:
        """Serve standard input until it ends or ``quit``."""
        started = False
        while self.running:
            if started:
                self.endpoint.libHandleEvents(20)
            if select.select([sys.stdin], [], [], 0 if started else 1)[0]:
                line = sys.stdin.readline()
                if not line:
                    break
                started = started or '"start"' in line
                print(json.dumps(self.command(line)), file=answers, flush=True)


def main() -> None:
    """Serve one phone. PJSIP prints to standard output: it gets standard error instead."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    Phone().run(answers)
    # PJSIP's own shutdown may wait for a registrar that is gone; the process simply ends.
    os._exit(0)


if __name__ == "__main__":
    main()
