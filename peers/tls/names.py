"""Which names a node's certificate holds, and by which name a phone calls its node."""

from ddiweb.deploy.models import Node
from peers.choices import LIVE_TOKEN_STATES, Transport
from peers.models import Token


def enabled(node: Node) -> bool:
    """Whether phones may use TLS on this node."""
    return bool(node.tls_port and node.sip_domain)


def domain(node: Node) -> str:
    """The node's name in the one spelling that certificates and rules compare."""
    return node.sip_domain.lower()


def of_token(node: Node, value: str) -> str:
    """The server name by which a phone shows its token: the token is its first label."""
    return f"{value}.{domain(node)}"


def wanted(node: Node) -> tuple[str, ...]:
    """Every DNS name of the node's certificate, sorted.

    A wildcard covers all phones. Those that refuse wildcards (RFC 5922, 7.2) are named one by one:
    by all their live tokens, so that old and new hold while a rotation's grace runs.
    """
    strict = Token.objects.filter(
        node=node,
        state__in=LIVE_TOKEN_STATES,
        peer__enabled=True,
        peer__strict_names=True,
        peer__transport=Transport.TLS,
    )
    exact = {of_token(node, token.value) for token in strict}
    return tuple(sorted({domain(node), f"*.{domain(node)}", *exact}))
