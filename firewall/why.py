"""Explain: the packets that a question stands for, and who answers it.

The agent answers with two independent verdicts, the kernel's and the oracle's. Where no agent can
be asked, the oracle speaks alone, about the rules that the panel would apply now.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from ddiweb.deploy.errors import Retryable
from ddiweb.deploy.models import Node
from firewall import snapshot
from firewall.channel import AgentChannel
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet, Protocol
from firewall.ruleset.values import Invalid
from firewall.target import STAND_IN
from peers.choices import TokenState
from peers.models import Peer, Token

DEFAULT_PORT = 5060
#: Where the node's own address is not in the panel; no rule of ours looks at it.
_HOST = {4: "192.0.2.1", 6: "2001:db8::1"}
_REGISTER = "REGISTER sip:{host} SIP/2.0\r\nUser-Agent: {token}\r\n\r\n"


@dataclass(frozen=True)
class Explanation:
    """Verdicts and ways of one packet; `kernel` is None where it could not be asked."""

    packet: Packet
    oracle: tuple[str, tuple[str, ...]]
    kernel: tuple[str, tuple[str, ...]] | None
    note: str  # why the kernel was not asked, or whose rules these are

    def to_json(self) -> dict[str, Any]:
        """Plain values, tokens redacted."""
        witnesses = {"kernel": self.kernel, "oracle": self.oracle}
        told: dict[str, Any] = {
            name: said and {"verdict": said[0], "path": list(said[1])}
            for name, said in witnesses.items()
        }
        return {"packet": str(self.packet), **told, "note": self.note}

    @property
    def agreed(self) -> bool:
        """Whether nobody contradicts."""
        return self.kernel is None or self.kernel[0] == self.oracle[0]

    @property
    def passes(self) -> bool:
        """Whether the packet gets through, on the kernel's word where there is one."""
        return (self.kernel or self.oracle)[0] == "accept"


def end(text: str) -> tuple[str, int]:
    """`203.0.113.7:5060`, `[2001:db8::7]:5060` or an address alone; raises `Invalid`."""
    host, _, port = text.rpartition(":")
    if text.startswith("["):
        inner, _, rest = text[1:].partition("]")
        host, port = inner, rest.removeprefix(":")
    elif text.count(":") != 1:
        host, port = text, ""
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        raise Invalid(
            "address", "is not one", "write 203.0.113.7:5060 or [2001:db8::7]:5060"
        ) from None
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65_535):
        raise Invalid("address", "has no port of 1 to 65535", "write 203.0.113.7:5060")
    return address, int(port or DEFAULT_PORT)


def question(
    node: Node,
    source: str,
    *,
    to_port: int = 0,
    protocol: Protocol = "udp",
    payload: bytes = b"",
    peer: Peer | None = None,
    reply: bool = False,
) -> list[Packet]:
    """The packet that is asked about, last, and before it what it builds on.

    `peer`: from the same address and port that peer's phone registered just now. `reply`: the
    host sent to it first. Raises `Invalid`.
    """
    address, port = end(source)
    family = 6 if ":" in address else 4
    host = str((node.public_ipv4 if family == 4 else node.public_ipv6) or _HOST[family])
    asked = Packet(
        family=4 if family == 4 else 6,
        protocol=protocol,
        source=address,
        destination=host,
        source_port=port,
        destination_port=to_port or node.sip_port,
        payload=payload,
        flags=() if protocol != "tcp" else ("psh", "ack") if payload else ("syn",),
        icmp_type={4: 8, 6: 128}[family],
    )
    before = []
    if protocol == "tcp" and payload:
        before.append(replace(asked, payload=b"", flags=("syn",)))
    if peer is not None:
        text = _REGISTER.format(host=host, token=_secret(node, peer))
        register = {"protocol": "udp", "destination_port": node.sip_port, "flags": ()}
        before.append(replace(asked, payload=text.encode(), **register))  # type: ignore[arg-type]
    if reply:
        before.append(replace(asked, payload=b"OPTIONS sip:x SIP/2.0\r\n\r\n", way="out"))
    return [*before, asked]


def showing(node: Node, peer: Peer, *, tls: bool = False) -> bytes:
    """What the peer's phone sends first: a request, or the hello of TLS, with its token.

    Raises `Invalid` if it has none.
    """
    secret = _secret(node, peer)
    if tls:
        return _hello(f"{secret}.{node.sip_domain or 'invalid'}".encode())
    return _REGISTER.format(host=node.public_ipv4 or "pbx", token=secret).encode()


def _hello(name: bytes) -> bytes:
    """A ClientHello with nothing in it but a server name (RFC 8446, 4.1.2; RFC 6066, 3)."""
    entry = b"\x00" + _sized(name)
    extension = b"\x00\x00" + _sized(_sized(entry))
    ciphers = b"\x00\x02\x13\x01"
    body = b"\x03\x03" + bytes(32) + b"\x00" + ciphers + b"\x01\x00" + _sized(extension)
    return b"\x16\x03\x01" + _sized(b"\x01\x00" + _sized(body))


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def explain(
    node: Node, packets: Sequence[Packet], channel: AgentChannel | None = None
) -> Explanation:
    """What becomes of the last packet; raises `Refused` where the agent has no rules."""
    if node.dry_run:
        return alone(node, packets, "a dry-run node has no rules in a kernel")
    try:
        answer = (channel or AgentChannel(settings.AGENT_SOCKET)).probe(packets)
    except Retryable as error:
        return alone(node, packets, str(error))
    kernel = answer["kernel"]
    note = answer["reason"] or f"the rules of generation {answer['generation']}"
    last = kernel and _words(kernel[-1])
    return Explanation(packets[-1], _words(answer["oracle"][-1]), last, note)


def alone(node: Node, packets: Sequence[Packet], why: str) -> Explanation:
    """The oracle's word, about what the panel would apply now; `why` it is not the agent's."""
    oracle = Oracle(snapshot.take(node), STAND_IN)
    said = [oracle.judge(packet) for packet in packets][-1]
    note = f"{why}; judged by what the panel would apply, without the agent's own networks"
    return Explanation(packets[-1], (said.word, said.path), None, note)


def _words(raw: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(raw["verdict"]), tuple(map(str, raw["path"]))


def _secret(node: Node, peer: Peer) -> str:
    """The value of the peer's token that its phone most likely sends."""
    for state in (TokenState.CURRENT, TokenState.ISSUED, TokenState.RETIRING):
        found = Token.objects.filter(node=node, peer=peer, state=state).order_by("-pk").first()
        if found:
            return str(found.value)
    raise Invalid("peer", f"{peer.pk} has no live token", "issue one in the panel")
