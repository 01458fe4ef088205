"""The node's ports as files that Asterisk's static configuration includes. Pure.

Asterisk binds its ports when it is started and moves none: what is written here is in force after
a restart (``ddiweb/live/restarts.py``), and the rules wait with it (``listening.py``).
"""

from dataclasses import dataclass

from peers.realtime.text import between

_HEAD = "; Written by ddiweb's worker; in force when Asterisk is restarted.\n"


@dataclass(frozen=True)
class Ports:
    """Where Asterisk is to listen; ``iax`` 0: nowhere."""

    sip: int
    rtp_first: int
    rtp_last: int
    iax: int = 0

    def __post_init__(self) -> None:
        between("node.sip_port", self.sip, 1, 65535)
        between("node.iax_port", self.iax, 0, 65535)
        between("node.rtp_first", self.rtp_first, 1024, 65534)
        between("node.rtp_last", self.rtp_last, self.rtp_first + 1, 65535)

    def files(self) -> dict[str, str]:
        """File names and contents, for pjsip.conf, rtp.conf and iax.conf (deploy/asterisk)."""
        binds = {
            "transport-udp4": f"0.0.0.0:{self.sip}",
            "transport-udp6": f"[::]:{self.sip}",
            "transport-tcp4": f"0.0.0.0:{self.sip}",
            "transport-tcp6": f"[::]:{self.sip}",
            "transport-tls4": f"127.0.0.1:{idle_port(self.sip)}",
            "transport-tls6": f"[::1]:{idle_port(self.sip)}",
        }
        return {
            "pjsip_ports.conf": _HEAD
            + "".join(f"[{name}](+)\nbind = {bind}\n" for name, bind in binds.items()),
            "rtp_ports.conf": f"{_HEAD}rtpstart = {self.rtp_first}\nrtpend = {self.rtp_last}\n",
            "iax_ports.conf": f"{_HEAD}bindport = {self.iax}\n" if self.iax else "",
        }


def idle_port(sip: int) -> int:
    """The loopback port of the transport that serves nobody; not the SIP port."""
    return 5059 if sip != 5059 else 5058
