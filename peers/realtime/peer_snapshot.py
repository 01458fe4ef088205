"""Peers as the renderer needs them, read from the ORM."""

from collections.abc import Collection

from django.db.models import Prefetch, QuerySet

from ddiweb.deploy.models import Node
from peers.choices import LIVE_TOKEN_STATES, Carrier, Digest, Nat, Transport
from peers.models import Peer, Token
from peers.realtime.facts import AccountFacts, Connecting, PeerFacts


def take(node: Node, pks: Collection[int] | None = None) -> tuple[PeerFacts, ...]:
    """Return all peers of ``node``, or those of these keys, in the caller's transaction."""
    named = Prefetch("tokens", _live_by_name(node), to_attr="names")
    rows = Peer.objects.filter(node=node) if pks is None else Peer.objects.filter(pk__in=pks)
    return tuple(
        map(_peer, rows.filter(node=node).order_by("pk").prefetch_related(named, "mailboxes"))
    )


def _live_by_name(node: Node) -> "QuerySet[Token]":
    """Live tokens that their phones sign in with."""
    live = Token.objects.filter(node=node, state__in=LIVE_TOKEN_STATES)
    return live.filter(peer__carrier=Carrier.USERNAME).order_by("pk")


def _hashes(peer: Peer, owner: Peer | Token) -> dict[str, str]:
    """The one hash that the phone is asked for; empty if it was given no password yet."""
    md5, _, sha256 = owner.hashes.partition(" ")
    if peer.digest == Digest.SHA256:
        return {"digest_ha1_sha256": sha256}
    return {"digest_ha1_md5": md5}


def _by_token(peer: Peer) -> tuple[AccountFacts, ...]:
    tokens: list[Token] = peer.names  # type: ignore[attr-defined]  # prefetched
    if peer.transport == Transport.IAX:
        secret = peer.iax_secret
        return tuple(AccountFacts(token.value, iax_secret=secret) for token in tokens if secret)
    # A token that was given no password yet is no account.
    return tuple(
        AccountFacts(token.value, **_hashes(peer, token)) for token in tokens if token.hashes
    )


def _peer(peer: Peer) -> PeerFacts:
    return PeerFacts(
        key=peer.key,
        username=peer.username,
        **_hashes(peer, peer),
        token_accounts=_by_token(peer) if peer.carrier == Carrier.USERNAME else None,
        codecs=tuple(peer.codecs),
        display_name=peer.name,
        enabled=peer.enabled,
        encrypted=peer.transport == Transport.TLS,
        mailboxes=tuple(sorted(box.key for box in peer.mailboxes.all())),
        connecting=Connecting(
            behind_nat=peer.nat == Nat.BEHIND,
            qualify=peer.qualify,
            expires=(peer.expires_min, peer.expires_default, peer.expires_max),
        ),
    )
