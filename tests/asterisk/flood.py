"""A flood of strangers' packets, and a count of a call's audio, each run in a namespace.

`python -m tests.asterisk.flood send ADDRESS RATE SECONDS` sends REGISTERs without a token at RATE a
second; it prints how many, and the CPU time that it took: with veth pairs the receiver's firewall
works in the sender's time. `… count SECONDS` counts RTP on eth0 by direction.
"""

import json
import socket
import struct
import sys
import time

_ALL = 3  # packet(7), ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING
RTP = range(10_000, 10_200)
TEXT = (
    "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n"
    "From: <sip:100@pbx.example>;tag=1\r\nTo: <sip:100@pbx.example>\r\nCall-ID: 1\r\n"
    "CSeq: 1 REGISTER\r\nUser-Agent: friendly-scanner\r\nX: " + "x" * 240 + "\r\n\r\n"
).encode()


def send(address: str, rate: int, seconds: float) -> dict[str, float]:
    """Send at a steady rate from some ports, as a scanner with many threads does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    lines = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(16)]
    for one in lines:
        one.connect((address, 5060))
    begun, spent, sent = time.monotonic(), time.process_time(), 0
    while (now := time.monotonic() - begun) < seconds:
        due = int(now * rate)
        if due - sent > rate / 10:
            begun += (due - sent) / rate  # it was held up: go on at the rate
            continue
        for number in range(sent, due):
            lines[number % 16].send(TEXT)
        sent = max(sent, due)
        time.sleep(0.001)
    took = time.monotonic() - begun
    return {"sent": sent, "rate": sent / took, "cpu": (time.process_time() - spent) / took}


def count(seconds: float) -> dict[str, int]:
    """RTP packets that came and went within a time that all who count begin together."""
    found = {"in": 0, "out": 0}
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL)) as wire:
        wire.bind(("eth0", 0))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        wire.settimeout(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                data, (_, protocol, kind, *_) = wire.recvfrom(2048)
            except TimeoutError:
                continue
            if protocol != 0x0800 or data[9] != socket.IPPROTO_UDP or len(data) < 60:
                continue
            source, destination = struct.unpack_from(">HH", data, (data[0] & 15) * 4)
            if kind == _OUTGOING and destination in RTP:
                found["out"] += 1
            elif kind != _OUTGOING and source in RTP:
                found["in"] += 1
    return found


if __name__ == "__main__":
    if sys.argv[1] == "send":
        print(json.dumps(send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
    else:
        print(json.dumps(count(float(sys.argv[2]))))
