"""A second network for the phone: its Wi-Fi goes, and it stands behind another NAT.

The first one hides it behind 203.0.113.30, as ``lab.build`` made it; the second one behind .31. The
phone's old address is gone at once: what was bound to it can't send any more.
"""

from __future__ import annotations

from lab.build import NAT_ADDRESS, PHONE_ADDRESS
from lab.errors import LabError
from lab.process import Running
from lab.tools import tool
from lab.world import World

INSIDE, OUTSIDE = "10.78.0.2", "203.0.113.31"
_ROUTER = "10.78.0.1"


class Roaming(Running):
    """The second network, while the context lasts; then the phone is back in the first one."""

    def __init__(self, world: World) -> None:
        self._world = world

    def move(self) -> None:
        """Take the phone from the first network to the second."""
        self._phone(INSIDE, _ROUTER)

    def start(self) -> None:
        """Build it."""
        self._ip("nat", f"addr add {OUTSIDE}/24 dev eth0", f"addr add {_ROUTER}/24 dev inside")
        self._hide("-A")

    def stop(self) -> None:
        """Bring the phone back, and take the network away."""
        self._phone(PHONE_ADDRESS, NAT_ADDRESS)
        self._hide("-D")
        self._ip("nat", f"addr del {OUTSIDE}/24 dev eth0", f"addr del {_ROUTER}/24 dev inside")

    def _phone(self, address: str, router: str) -> None:
        self._ip(
            "phone",
            "addr flush dev eth0",
            f"addr add {address}/24 dev eth0",
            f"route replace default via {router}",
        )

    def _ip(self, place: str, *lines: str) -> None:
        ip = tool("ip")
        text = "".join(f"{line}\n" for line in lines)
        self._world.run(place, ip.line("-batch", "-"), env=ip.env, input=text)

    def _hide(self, verb: str) -> None:
        """Add or take away the rule, with the backend that ``lab.build`` could use."""
        rule = f"*nat\n{verb} POSTROUTING -s 10.78.0.0/24 -o eth0 -j SNAT --to {OUTSIDE}\nCOMMIT\n"
        for backend in ("nft", "legacy"):
            restore = tool(f"iptables-{backend}-restore")
            done = self._world.run(
                "nat", restore.line("--noflush"), env=restore.env, input=rule, check=False
            )
            if not done.returncode:
                return
        raise LabError(f"no NAT in this kernel: {done.stderr.strip()}")
