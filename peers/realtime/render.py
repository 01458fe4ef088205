"""Facts to rows: pure, deterministic, without sockets, clock or database.

Each option is the one that was proved to carry calls and to keep strangers out; where a default of
Asterisk would be dangerous the reason stands beside it.
"""

import functools
import hashlib
from collections.abc import Iterator

from peers.realtime import blocks, callers, hours, outgoing, route_rows, schema, text
from peers.realtime.facts import AccountFacts, PeerFacts, Snapshot, TrunkFacts
from peers.realtime.rows import Row, Rows, row
from peers.realtime.text import refuse

#: Seconds between two qualify OPTIONS to a phone; keeps the NAT binding of a mobile network.
PEER_QUALIFY = 30
TRUNK_QUALIFY = 60


def render(snapshot: Snapshot) -> Rows:
    """Return all rows of the node. A disabled peer has none: it can neither register nor ring.

    Raises Refused, naming the field, if a fact cannot be a row or points to nothing.
    """
    return Rows.of(_rows(snapshot))


def _rows(snapshot: Snapshot) -> Iterator[Row]:
    for trunk in snapshot.trunks:
        yield from _trunk(trunk)
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


def _trunk(trunk: TrunkFacts) -> Iterator[Row]:
    auth = ""
    if trunk.username and trunk.password:
        # A capital letter: no peer's username, which names an auth too, can be the same.
        auth = f"{trunk.key}-C{_fingerprint(trunk.key, trunk.username, trunk.password)}"
    yield row(
        schema.ENDPOINTS,
        trunk.key,
        context="from-trunk",
        # With the default, or with username beside ip, a stranger who writes the trunk's name
        # into From would reach the dialplan.
        identify_by="ip",
        aors=trunk.key if trunk.outbound_host else "",
        outbound_auth=auth,
        allow=",".join(trunk.codecs),
        accountcode=trunk.key,
        # The default answers 484 to a prefix of a DDI.
        allow_overlap="no",
        trust_id_inbound="yes",
    )
    if trunk.networks:
        networks = sorted(text.network("trunk.networks", one) for one in trunk.networks)
        yield row(schema.IDENTIFIES, trunk.key, endpoint=trunk.key, match=",".join(networks))
    if trunk.outbound_host:
        yield row(
            schema.AORS,
            trunk.key,
            contact=f"sip:{text.host('trunk.outbound_host', trunk.outbound_host)}:5060",
            qualify_frequency=str(TRUNK_QUALIFY if trunk.qualify else 0),
        )
    if auth:
        yield row(
            schema.AUTHS,
            auth,
            username=trunk.username,
            password=trunk.password,
        )
    if trunk.register:
        host = text.host("trunk.registrar_host", trunk.registrar_host)
        server = f"{host}:{trunk.registrar_port}"
        yield row(
            schema.REGISTRATIONS,
            trunk.key,
            server_uri=f"sip:{server}",
            client_uri=f"sip:{trunk.username}@{server}",
            # The vendor calls this user; for DDIs in To the dialplan knows it as "ddi".
            contact_user="ddi" if trunk.did_header == "to" else trunk.username,
            outbound_auth=auth,
        )
    yield row(
        schema.TRUNKS,
        trunk.key,
        header=trunk.did_header,
        country=trunk.country,
        channels_max=str(trunk.channels_max),
    )


@functools.lru_cache(maxsize=256)
def _fingerprint(key: str, username: str, password: str) -> str:
    """Return 8 hexadecimal digits that change with the credentials.

    Asterisk registers anew only if the registration's own row changed, so the name of its auth,
    which stands there, must change with the password. The name is shown in diffs: scrypt (RFC
    7914) keeps it useless for guessing.
    """
    salt = f"{key} {username}".encode()
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=4).hex()


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
