"""Datagrams without a token to a port of the server: whose come through?"""

import subprocess
import sys
import time
from collections.abc import Sequence

from lab.world import World

#: Of the server's RTP ports one that a call hardly ever has.
RTP_PORT = 19_998
_LISTEN = """
import select, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1]))); print("bound", flush=True)
while s in select.select([s, 0], [], [])[0]:
    print(s.recvfrom(100)[1][0].removeprefix("::ffff:"), flush=True)
"""
_SEND = """
import socket, sys
for source in sys.argv[2:]:
    to = "2001:db8:113::10" if ":" in source else "203.0.113.10"
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        for _ in range(3): s.sendto(b"rtp", (to, int(sys.argv[1])))
"""


def heard(world: World, port: int = RTP_PORT, /, **sources: Sequence[str]) -> set[str]:
    """Send from these addresses of each namespace; those from which something came in."""
    command = world.argv("srv", [sys.executable, "-c", _LISTEN, str(port)])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdin
        assert listener.stdout
        assert listener.stdout.readline() == "bound\n"
        for place, addresses in sources.items():
            world.run(place, [sys.executable, "-c", _SEND, str(port), *addresses])
        time.sleep(0.3)  # through two bridges
        listener.stdin.close()
        return set(listener.stdout.read().split())
