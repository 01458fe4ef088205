"""A peer's accounts as rows. Pure.

Of SIP: endpoint, auth and aor, all by the name that the app signs in with. Of IAX2: one row.
"""

from collections.abc import Iterator

from peers.realtime import mailboxes, schema
from peers.realtime.facts import AccountFacts, PeerFacts
from peers.realtime.rows import Row, row


def rows(peer: PeerFacts, realm: str) -> Iterator[Row]:
    """The rows of all names by which ``peer`` signs in."""
    for account in peer.accounts:
        if account.iax_secret:
            yield row(
                schema.IAX,
                account.username,
                name=account.username,
                context="from-peer",
                secret=account.iax_secret,
                allow=",".join(peer.codecs),
                accountcode=peer.key,
            )
        else:
            yield from _sip(account, peer, realm)


def _sip(account: AccountFacts, peer: PeerFacts, realm: str) -> Iterator[Row]:
    behind = "yes" if peer.connecting.behind_nat else "no"
    least, usual, longest = peer.connecting.expires
    yield row(
        schema.ENDPOINTS,
        account.username,
        context="from-peer",
        identify_by="username,auth_username",
        aors=account.username,
        auth=account.username,
        allow=",".join(peer.codecs),
        accountcode=peer.key,
        # Always, also without NAT: the dialplan calls the host that stands in the contact, which
        # must be where the REGISTER came from and not what a phone wrote (step-ring).
        rewrite_contact="yes",
        # Behind NAT: answer to where packets come from.
        rtp_symmetric=behind,
        force_rport=behind,
        # The transport stays blank: with one named, a phone on another one could not be called.
        media_encryption="sdes" if peer.encrypted else "no",
        mailboxes=mailboxes.lamps(peer.mailboxes),
        rtp_timeout="60",
        rtp_timeout_hold="300",
    )
    # Both: Asterisk drops an auth that has no hash for what it might itself answer with (uac),
    # though a phone never asks it (config_auth.c).
    algorithm = "SHA-256" if account.digest_ha1_sha256 else "MD5"
    yield row(
        schema.AUTHS,
        account.username,
        username=account.username,
        realm=realm,
        password_digest=f"{algorithm}:{account.digest_ha1_sha256 or account.digest_ha1_md5}",
        supported_algorithms_uas=algorithm,
        supported_algorithms_uac=algorithm,
    )
    yield row(
        schema.AORS,
        account.username,
        max_contacts="1",
        # Without it a phone that comes from a new network gets 403 until the old one expires.
        remove_existing="yes",
        qualify_frequency=str(peer.connecting.qualify),
        minimum_expiration=str(least),
        default_expiration=str(usual),
        maximum_expiration=str(longest),
    )
