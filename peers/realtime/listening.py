"""Where Asterisk listens: its ports can't be moved while it runs.

SIP and IAX2 are asked on this machine's loopback, which needs no token; the RTP range by AMI. Any
program may answer there: the kernel says whether the port is Asterisk's (``owners.py``).
"""

import secrets
import socket
import ssl
from collections.abc import Callable

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from peers.realtime import iax, owners
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client, restart_client
from peers.realtime.restarting import rtp_range

#: Seconds in which Asterisk, on the same machine, answers.
PATIENCE = 1.0
#: A full frame of IAX2 (RFC 5456, 8.1.1): call 1, none of ours yet, time and sequence 0, POKE.
POKE = bytes((0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 30))
SERVED = {
    "sip_port_served": "SIP port",
    "rtp_first_served": "first RTP port",
    "rtp_last_served": "last RTP port",
    "iax_port_served": "IAX2 port",
}

Ami = Callable[[], AmiClient]


def answers(port: int) -> bool:
    """Whether something answers SIP on this machine's UDP ``port``."""
    return _asked(port, lambda own: _options(port, own)).startswith(b"SIP/2.0 ")


def answers_iax(port: int) -> bool:
    """Whether something answers IAX2 there: a full frame of type IAX."""
    said = _asked(port, lambda _: POKE)
    return len(said) >= 12 and said[0] & 0x80 != 0 and said[10] == 6


def answers_tls(port: int) -> bool:
    """Whether something answers SIP over TLS there, whatever its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain) as line,
        ):
            line.sendall(_options(port, line.getsockname()[1], "TLS"))
            return line.recv(4096).startswith(b"SIP/2.0 ")
    except OSError:
        return False


def _asked(port: int, words: Callable[[int], bytes]) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(PATIENCE)
        try:
            line.connect(("127.0.0.1", port))
            line.send(words(line.getsockname()[1]))
            return line.recv(4096)
        except OSError:
            return b""


def look(node: Node, ami: Ami = ami_client, asking: Ami = restart_client) -> None:
    """Let ``node``, in memory alone, say where its Asterisk listens, as far as that can be told.

    What is as wanted is not asked again: Asterisk moves nothing by itself.
    """
    sip = node.sip_port
    if node.sip_port_served != sip and answers(sip) and _is_asterisks(sip, ami):
        node.sip_port_served = node.sip_port
    wanted = node.rtp_first, node.rtp_last
    if (node.rtp_first_served, node.rtp_last_served) != wanted and (found := _range(asking)):
        node.rtp_first_served, node.rtp_last_served = found
    if node.iax_port_served != node.iax_port and _iax_is_free(node.iax_port, ami):
        node.iax_port_served = node.iax_port


def _is_asterisks(port: int, ami: Ami) -> bool:
    """Whether Asterisk, and nobody else, holds this UDP port."""
    try:
        with ami() as client:
            asterisk = owners.other_end(*client.ends())
    except DeployError:
        return False
    return asterisk is not None and owners.of_udp_port(port) == {asterisk}


def _range(asking: Ami) -> tuple[int, int] | None:
    try:
        with asking() as client:
            return rtp_range(client)
    except DeployError:
        return None


def _iax_is_free(port: int, ami: Ami) -> bool:
    """Whether IAX2 is served at ``port``, or not at all: its module binds when it is loaded."""
    if not port or (answers_iax(port) and _is_asterisks(port, ami)):
        return True
    try:
        with ami() as client:
            return not iax.is_loaded(client)
    except DeployError:
        return False


def news(node: Node) -> tuple[str, ...]:
    """What ``look`` found that the node's row does not say yet, line by line."""
    stored = Node.objects.filter(pk=node.pk).values(*SERVED).get()
    return tuple(
        f"~ Asterisk listens on {words} {getattr(node, name)} now"
        for name, words in SERVED.items()
        if getattr(node, name) != stored[name]
    )


def keep(node: Node) -> None:
    """Let its row say it."""
    Node.objects.filter(pk=node.pk).update(**{name: getattr(node, name) for name in SERVED})


def _options(port: int, own: int, transport: str = "UDP") -> bytes:
    """An OPTIONS (RFC 3261, 11); 401 or 404 is as good an answer as any."""
    name = secrets.token_hex(8)
    return (
        f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 127.0.0.1:{own};branch=z9hG4bK{name};rport\r\n"
        "Max-Forwards: 1\r\n"
        f"From: <sip:ddiweb@127.0.0.1>;tag={name}\r\nTo: <sip:127.0.0.1>\r\n"
        f"Call-ID: {name}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
