"""SIP passwords: what is stored is what Asterisk compares, never the password itself.

A digest's secret is the hash of username, realm and password (RFC 2617, 3.2.2.2; RFC 8760 for
SHA-256). Both hashes are kept, so that a phone's algorithm can be changed without a new password;
Asterisk is given one. Where the SIP username carries the token, each token is a username of its
own, and has hashes of its own.

IAX2 has no such form: the challenge is answered with MD5 of challenge and password (RFC 5456,
8.6.15), so both ends need the password, and it is stored encrypted instead.
"""

import hashlib

from django.db import transaction
from django.utils import timezone

from ddiweb.deploy.services import User, request_deployment
from peers.choices import LIVE_TOKEN_STATES, Carrier, Transport
from peers.defaults import new_password
from peers.models import Peer, Token


def hashed(username: str, realm: str, password: str) -> str:
    """Return what is stored in place of ``password``: both hashes, MD5 first."""
    text = f"{username}:{realm}:{password}".encode()
    # The digest scheme that every phone speaks.
    md5 = hashlib.md5(text).hexdigest()  # noqa: S324 - SIP's digest
    return f"{md5} {hashlib.sha256(text).hexdigest()}"


def put(peer: Peer, password: str) -> None:
    """Set the columns of ``peer`` for ``password``; the caller saves them (``COLUMNS``)."""
    peer.hashes = hashed(peer.username, peer.node.realm, password)
    peer.iax_secret = password if peer.transport == Transport.IAX else ""
    peer.password_made_at = timezone.now()


def forget(peer: Peer) -> None:
    """Set the columns of ``peer`` to no password: it can't sign in until it is given one."""
    peer.hashes = peer.iax_secret = ""
    peer.password_made_at = None


def fit(peer: Peer, username: str) -> None:
    """Keep what still fits after an edit; ``username`` is the one before.

    A hash holds the username, so it dies with it; IAX2 needs the password itself.
    """
    if peer.username != username or (peer.transport == Transport.IAX and not peer.iax_secret):
        forget(peer)
    if peer.transport != Transport.IAX:
        peer.iax_secret = ""


#: What ``put`` and ``forget`` set.
COLUMNS = ("hashes", "iax_secret", "password_made_at")


def put_on_token(token: Token, peer: Peer, password: str) -> None:
    """Let the phone sign in with ``token`` as its name and ``password``."""
    made = hashed(token.value, peer.node.realm, password)
    Token.objects.filter(pk=token.pk).update(hashes=made)


@transaction.atomic
def give(peer: Peer, user: User = None) -> str:
    """Make a new random password for ``peer``, bring it into force and return it, this once."""
    password = renew(peer)
    request_deployment(peer.node_id, f"peer {peer.name}: new password", user)
    return password


def renew(peer: Peer) -> str:
    """As ``give``, within an edit that asks for the deployment itself.

    The phone that signs in with the old one is refused from then on. Where the username carries
    the token, the newest one is the account that is meant; older ones keep theirs.
    """
    password = new_password()
    put(peer, password)
    peer.save(update_fields=COLUMNS)
    on_newest_token(peer, password)
    return password


def on_newest_token(peer: Peer, password: str) -> None:
    """Where the username carries the token, let the newest one sign in with ``password``."""
    if peer.carrier != Carrier.USERNAME:
        return
    newest = peer.tokens.filter(state__in=LIVE_TOKEN_STATES).order_by("-pk").first()
    if newest is not None:
        put_on_token(newest, peer, password)


def is_due(peer: Peer) -> bool:
    """Whether the account that the phone should have was never given a password."""
    if peer.carrier == Carrier.USERNAME and peer.transport != Transport.IAX:
        # All of them, the newest first: a list has fetched them with its peers.
        newest = next((one for one in peer.tokens.all() if one.state in LIVE_TOKEN_STATES), None)
        if newest is not None:
            return not newest.hashes
    return peer.password_made_at is None
