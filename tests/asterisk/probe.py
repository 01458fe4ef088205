"""A phone and a vendor made of one socket each, to say what no real one would.

``python -m tests.asterisk.probe phone CONTACT`` registers alice with that Contact and listens;
``… vendor DDI`` calls the DDI and listens. Each prints the first line of every packet it gets.
The phone's password comes by standard input.
"""

import re
import socket
import sys
import time
from collections.abc import Callable

from lab.rawsip import Line

SERVER = ("203.0.113.10", 5060)
PHONE, VENDOR = "203.0.113.66", "203.0.113.20"
SECONDS = 4.0
INVITE = """INVITE sip:{ddi}@203.0.113.10 SIP/2.0
Via: SIP/2.0/UDP 203.0.113.20:5060;branch=z9hG4bK{now};rport
Max-Forwards: 70
From: <sip:+441632960000@203.0.113.20>;tag=1
To: <sip:{ddi}@203.0.113.10>
Call-ID: {ddi}-{now}
CSeq: 1 INVITE
Contact: <sip:v@203.0.113.20:5060>
Content-Type: application/sdp
Content-Length: 128

v=0
o=- 1 1 IN IP4 203.0.113.20
s=-
c=IN IP4 203.0.113.20
t=0 0
m=audio 40000 RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=sendrecv
"""


def answer_options(packet: str) -> str:
    """Return the 200 of an OPTIONS."""
    kept = [
        line
        for line in packet.split("\r\n")
        if line.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))
    ]
    return "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])


def listen(receive: Callable[[], tuple[bytes, object]], send: Callable[[str], object]) -> None:
    """Print what comes, and say that we are there."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            packet = receive()[0].decode(errors="replace")
        except (TimeoutError, ConnectionRefusedError):
            continue
        print(packet.partition("\r\n")[0], flush=True)
        if packet.startswith("OPTIONS"):
            send(answer_options(packet))


def phone(contact: str) -> None:
    """Register with this Contact, from the port that vendors use."""
    line = Line(SERVER, PHONE, 5060)
    plain = line.request

    def request(method: str, user: str, **options: str) -> str:
        return re.sub("Contact: .*?\r", f"Contact: {contact}\r", plain(method, user, **options))

    line.request = request  # type: ignore[method-assign, assignment]
    print(line.register("alice", sys.stdin.readline().strip()), flush=True)
    line.socket.settimeout(0.2)
    listen(lambda: line.socket.recvfrom(65_535), line.send)


def vendor(ddi: str) -> None:
    """Call the DDI once the phone is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((VENDOR, 5060))
        line.settimeout(0.2)
        time.sleep(1.0)
        text = INVITE.format(ddi=ddi, now=time.monotonic_ns()).replace("\n", "\r\n")
        body = text.partition("\r\n\r\n")[2]
        text = text.replace("Content-Length: 128", f"Content-Length: {len(body)}")
        line.sendto(text.encode(), SERVER)
        listen(lambda: line.recvfrom(65_535), lambda reply: line.sendto(reply.encode(), SERVER))


if __name__ == "__main__":
    {"phone": phone, "vendor": vendor}[sys.argv[1]](sys.argv[2])
