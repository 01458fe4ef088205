"""What happens within a call: hold and resume, digits, session timers."""

import re
import time

from lab.phones import PjsuaPhone
from lab.vendor import FIRST, VENDOR_TONE_HZ
from tests.asterisk.suite import PHONE_TONE_HZ, Line, Suite, uri

BY_ADDRESS = Line("address", "address", FIRST)


def held(suite: Suite, transport: str) -> None:
    """Hold and resume from the phone, digits both ways in both forms, all in one call."""
    ddi = suite.ring(transport)
    with suite.phone(transport) as phone, suite.vendor(BY_ADDRESS) as caller:
        assert isinstance(phone, PjsuaPhone)
        suite.register(phone, transport)
        assert caller.call(uri(ddi), wait=15).status == 200
        assert caller.heard(1.0).hz == PHONE_TONE_HZ
        assert phone.hold()
        time.sleep(0.5)
        assert phone.resume()
        assert phone.heard(1.5).hz == VENDOR_TONE_HZ
        phone.dial("12")
        phone.dial("34", info=True)
        caller.dial("56")
        caller.dial("78", info=True)
        time.sleep(0.5)
        got = tuple(one.state().call for one in (caller, phone))
        assert [one.digits if one else "" for one in got] == ["1234", "5678"]
        caller.hangup()


def long_call(suite: Suite, seconds: float = 100.0) -> int:
    """A call beyond its session's 90 s (RFC 4028's least); returns the vendor's refreshes."""
    ddi = suite.ring("udp")
    with (
        suite.phone("udp", session_seconds=90) as phone,
        suite.vendor(BY_ADDRESS, session_seconds=90) as caller,
    ):
        suite.register(phone, "udp")
        assert caller.call(uri(ddi), wait=15).status == 200
        time.sleep(seconds)
        assert caller.heard(1.0).hz == PHONE_TONE_HZ
        assert isinstance(phone, PjsuaPhone)
        assert phone.heard(0.2).hz == VENDOR_TONE_HZ
        caller.hangup()
        log = (caller.folder / "pjsua.log").read_text()
    return len(re.findall(r"^UPDATE sip:", log, re.MULTILINE))
