"""Whether a phone may use a transport on its node; forms and the API ask before they save."""

from django.core.exceptions import ValidationError

from ddiweb.deploy.models import Node
from peers.choices import Transport
from peers.models import Peer
from peers.tls import names
from peers.tls.authority import MOST_NAMES

#: Strict phones of a node: each may have two live names while its rotation runs.
MOST_STRICT = (MOST_NAMES - 2) // 4


def is_possible(node: Node, transport: str) -> None:
    """Refuse a transport that the node does not offer. Raises ValidationError."""
    if transport == Transport.TCP and not node.allow_tcp:
        raise ValidationError(
            f"the node “{node}” lets no phone in over TCP: switch on SIP over TCP in its settings "
            "first, or choose UDP",
            code="no_tcp",
        )
    if transport == Transport.TLS and not names.enabled(node):
        raise ValidationError(
            f"the node “{node}” has no TLS: give it a TLS port and a host name for TLS in its "
            "settings first, or choose UDP",
            code="no_tls",
        )
    if transport == Transport.IAX and not node.iax_port:
        raise ValidationError(
            f"the node “{node}” has no IAX2: give it an IAX2 port in its settings first, or "
            "choose UDP",
            code="no_iax",
        )


def strict_is_possible(node_id: int, peer_id: int | None, transport: str) -> None:
    """Refuse exact names without TLS, and more than a certificate holds. Raises ValidationError."""
    if transport != Transport.TLS:
        raise ValidationError(
            "names are checked with TLS only: choose TLS, or switch this off", code="not_tls"
        )
    others = Peer.objects.filter(node_id=node_id, strict_names=True, transport=Transport.TLS)
    if peer_id is not None:
        others = others.exclude(pk=peer_id)
    if others.count() >= MOST_STRICT:
        raise ValidationError(
            f"{MOST_STRICT} phones of this node have their names in its certificate already, and "
            "it takes no more: let apps that accept wildcards do without",
            code="too_many_strict",
        )
