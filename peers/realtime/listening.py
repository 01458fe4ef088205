"""Where Asterisk listens: a transport of its own can't be moved while it runs (res_pjsip)."""

import secrets
import socket

from ddiweb.deploy.models import Node

#: Seconds in which Asterisk, on the same machine, answers.
PATIENCE = 1.0


def answers(port: int) -> bool:
    """Whether something answers SIP on this machine's UDP ``port``; loopback needs no token."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(PATIENCE)
        try:
            line.connect(("127.0.0.1", port))
            line.send(_options(port, line.getsockname()[1]))
            return line.recv(4096).startswith(b"SIP/2.0 ")
        except OSError:
            return False


def look(node: Node) -> None:
    """Let ``node``, in memory alone, say where its Asterisk listens, if that can be told now."""
    if node.sip_port_served != node.sip_port and answers(node.sip_port):
        node.sip_port_served = node.sip_port


def stored(node: Node) -> int | None:
    """What its row says."""
    return Node.objects.values_list("sip_port_served", flat=True).get(pk=node.pk)


def _options(port: int, own: int) -> bytes:
    """An OPTIONS (RFC 3261, 11); 401 or 404 is as good an answer as any."""
    name = secrets.token_hex(8)
    return (
        f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{name};rport\r\n"
        "Max-Forwards: 1\r\n"
        f"From: <sip:ddiweb@127.0.0.1>;tag={name}\r\nTo: <sip:127.0.0.1>\r\n"
        f"Call-ID: {name}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
