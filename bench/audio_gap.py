"""``python -m bench.audio_gap SECONDS``: the longest gap in the audio that a vendor gets, in ms."""

import socket
import sys
import time

RTP_FIRST = 10_000
#: packet(7), ETH_P_IP
_IP = 0x0800


def longest_gap(seconds: float) -> float:
    """Seconds of the longest gap between two RTP packets that come to this host."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IP)) as wire:
        wire.bind(("eth0", _IP))
        wire.settimeout(0.2)
        end, last, worst = time.monotonic() + seconds, 0.0, 0.0
        while time.monotonic() < end:
            try:
                packet, place = wire.recvfrom(2048)
            except TimeoutError:
                continue
            head = (packet[0] & 15) * 4
            port = int.from_bytes(packet[head : head + 2], "big")
            comes = place[2] != socket.PACKET_OUTGOING
            if comes and packet[9] == socket.IPPROTO_UDP and port >= RTP_FIRST:
                now = time.monotonic()
                worst, last = max(worst, now - last if last else 0.0), now
    return worst


if __name__ == "__main__":
    print(longest_gap(float(sys.argv[1])) * 1000)
