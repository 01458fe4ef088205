"""Facts to rows: pure, deterministic, without sockets, clock or database.

Each option is the one that was proved to carry calls and to keep strangers out; where a default of
Asterisk would be dangerous the reason stands beside it.
"""

from collections.abc import Iterator

from peers.realtime import blocks, callers, hours, outgoing, route_rows, schema, trunk_rows
from peers.realtime.facts import AccountFacts, PeerFacts, Snapshot
from peers.realtime.rows import Row, Rows, row
from peers.realtime.text import refuse

#: Seconds between two qualify OPTIONS to a phone; keeps the NAT binding of a mobile network.
PEER_QUALIFY = 30


def render(snapshot: Snapshot) -> Rows:
    """Return all rows of the node. A disabled peer has none: it can neither register nor ring.

    Raises Refused, naming the field, if a fact cannot be a row or points to nothing.
    """
    return Rows.of(_rows(snapshot))


def _rows(snapshot: Snapshot) -> Iterator[Row]:
    for trunk in snapshot.trunks:
        yield from trunk_rows.rows(trunk, snapshot.node.tls_port)
    for peer in snapshot.peers:
        for account in peer.accounts:
            yield from _account(account, peer, snapshot.node.realm)
    for schedule in snapshot.schedules:
        yield from hours.rows(schedule)
    known = {peer.key: peer for peer in snapshot.peers}
    schedules = {schedule.key for schedule in snapshot.schedules}
    trunks = {trunk.key for trunk in snapshot.trunks}
    for number in snapshot.numbers:
        if number.trunk_key not in trunks:
            raise refuse(f"number {number.key}", "names an unknown trunk", "choose another")
        for step in number.steps:
            if step.schedule and step.schedule not in schedules:
                where = f"number {number.key} step {step.position}"
                raise refuse(where, "names an unknown schedule", "choose another")
        yield from route_rows.rows(number, known, callers.longest(number.id, snapshot.callers))
    yield from blocks.rows((n.trunk_key, n.id, n.key, n.last) for n in snapshot.numbers if n.last)
    yield from callers.rows(snapshot.callers)
    yield from outgoing.rows(snapshot.outgoing, trunks)


def _account(account: AccountFacts, peer: PeerFacts, realm: str) -> Iterator[Row]:
    yield row(
        schema.ENDPOINTS,
        account.username,
        context="from-peer",
        identify_by="username,auth_username",
        aors=account.username,
        auth=account.username,
        allow=",".join(peer.codecs),
        accountcode=peer.key,
        # Behind NAT: answer to where packets come from, for SIP and for RTP.
        rewrite_contact="yes",
        rtp_symmetric="yes",
        force_rport="yes",
        # The transport stays blank: with one named, a phone on another one could not be called.
        media_encryption="sdes" if peer.encrypted else "no",
        rtp_timeout="60",
        rtp_timeout_hold="300",
    )
    yield row(
        schema.AUTHS,
        account.username,
        username=account.username,
        realm=realm,
        password_digest=f"MD5:{account.digest_ha1_md5}",
    )
    yield row(
        schema.AORS,
        account.username,
        max_contacts="1",
        # Without it a phone that comes from a new network gets 403 until the old one expires.
        remove_existing="yes",
        qualify_frequency=str(PEER_QUALIFY),
    )
