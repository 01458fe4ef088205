"""Vendor and phone in one process: milliseconds from one INVITE to the other, a line a call.

`python -m bench.ringing COUNT` in the vendor's namespace. The phone says that it is busy.
"""

import re
import sys
import time

from bench.crowd import DDI, PASSWORD
from lab.rawsip import Line
from lab.vendor import FIRST, SECOND, SERVER

_COPIED = ("via", "from", "to", "call-id", "cseq")
_SDP = (
    f"v=0\r\no=- 1 1 IN IP4 {FIRST}\r\ns=-\r\nc=IN IP4 {FIRST}\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


def busy(invite: str) -> str:
    """The answer 486 to a request (RFC 3261, 8.2.6)."""
    head = invite.partition("\r\n\r\n")[0].split("\r\n")[1:]
    copied = [line for line in head if line.partition(":")[0].strip().lower() in _COPIED]
    tagged = [f"{line};tag=1" if re.match(r"(?i)to:", line) else line for line in copied]
    return "\r\n".join(["SIP/2.0 486 Busy Here", *tagged, "Content-Length: 0", "", ""])


def _name(message: str) -> str:
    """The Call-ID of an INVITE; empty for anything else."""
    found = re.search(r"(?im)^call-id:\s*(\S+)", message)
    return found[1] if found and message.startswith("INVITE ") else ""


def call(vendor: Line, phone: Line, seen: set[str]) -> float:
    """One call; returns milliseconds until it rings. ``seen``: the calls before."""
    vendor.call_id += "x"
    invite = vendor.request("INVITE", DDI, from_user="441632960555", body=_SDP)
    begun = time.monotonic()
    vendor.send(invite)
    phone.socket.settimeout(10)
    # What Asterisk repeats of a call before is not this call; it is busy all the same.
    while (name := _name(got := phone.socket.recv(65_535).decode())) in seen | {""}:
        if name:
            phone.send(busy(got))
    seen.add(name)
    took = (time.monotonic() - begun) * 1000
    phone.send(busy(got))
    vendor.final(10)
    tag = re.search(r"(?im)^to:.*?(;tag=\S+)", vendor.answers[-1])
    branch = re.search(r"branch=(\S+?);", invite)
    assert tag
    assert branch
    ack = vendor.request("ACK", DDI, from_user="441632960555")
    ack = re.sub(r"branch=\S+?;", f"branch={branch[1]};", ack)
    vendor.send(re.sub(r"(?m)^(To: .*?)\r$", rf"\1{tag[1]}\r", ack))
    return took


def main() -> int:
    """Register, then so many calls one after another."""
    phone = Line((SERVER, 5060), SECOND, 5070, 5.0)
    assert phone.register("phone0", PASSWORD) == 200, phone.answers
    vendor = Line((SERVER, 5060), FIRST, 5060, 5.0)
    seen: set[str] = set()
    for _ in range(int(sys.argv[1])):
        print(call(vendor, phone, seen))
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
