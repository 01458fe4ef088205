"""Rows of trunks: what Asterisk loads as configuration, and what the dialplan looks up.

Trunks are few, and Asterisk must list them: to watch them, to register, to know a caller by its
address. So they stand in tables that it loads whole (``static_view``), and phones in tables that
it asks for one row at a time (docs/adr/0110).
"""

import functools
import hashlib
from collections.abc import Iterator
from itertools import groupby

from peers.realtime import schema, text
from peers.realtime.facts import NodeFacts
from peers.realtime.rows import Row, row
from peers.realtime.text import refuse
from peers.realtime.trunks import ServerFacts, TrunkFacts

#: Seconds between two OPTIONS to a vendor. With 3 s for the answer, one that is down is known
#: within 25 s.
QUALIFY = 20


def rows(trunk: TrunkFacts, node: NodeFacts) -> Iterator[Row]:
    """All rows of ``trunk``. Raises Refused for TLS on a node without it."""
    tls_port = node.tls_port
    if trunk.transport == "tls" and not tls_port:
        raise refuse(f"trunk {trunk.key}", "needs TLS", "give the node a TLS port and a host name")
    auth = ""
    if trunk.username and trunk.password:
        # A capital letter: no peer's username, which names an auth too, can be the same.
        auth = f"{trunk.key}-C{_fingerprint(trunk.key, trunk.username, trunk.password)}"
        yield row(schema.AUTHS, auth, username=trunk.username, password=trunk.password)
    if trunk.networks:
        networks = sorted(text.network("trunk.networks", one) for one in trunk.networks)
        yield row(schema.IDENTIFIES, trunk.key, endpoint=trunk.key, match=",".join(networks))
    servers = trunk.ordered
    for place, name in enumerate(trunk.endpoints):
        server = servers[place] if servers else None
        yield _endpoint(trunk, name, auth, server, node)
        if server is not None:
            yield from _server(trunk, name, auth, server, tls_port)
    yield _dialplan(trunk)


def _endpoint(
    trunk: TrunkFacts, name: str, auth: str, server: ServerFacts | None, node: NodeFacts
) -> Row:
    # Where a name of our own in From would be wrong: the vendor knows the account, and looks for
    # the number in another header.
    named = trunk.caller_out in ("pai", "rpid")
    return row(
        schema.TRUNK_ENDPOINTS,
        name,
        transport=_transport(trunk, server, node.tls_port),
        aors=name if server else "",
        outbound_auth=auth,
        outbound_proxy=_proxy(trunk),
        allow=",".join(trunk.codecs),
        accountcode=trunk.key,
        dtmf_mode=trunk.dtmf,
        media_encryption="sdes" if trunk.srtp else "no",
        from_user=trunk.username if named else "",
        from_domain=trunk.from_domain,
        trust_id_inbound="yes" if trunk.caller_in in ("pai", "rpid") else "no",
        send_pai="yes" if trunk.caller_out == "pai" else "no",
        send_rpid="yes" if trunk.caller_out == "rpid" else "no",
        # Calls come in at the endpoint that the addresses lead to.
        set_var=f"INBOUND={','.join(_inbound(trunk, node))}" if name == trunk.key else "",
    )


def _inbound(trunk: TrunkFacts, node: NodeFacts) -> tuple[str, ...]:
    """What [trunk], [e164] and [ddi] in extensions.conf need, in the order that they expect.

    As a variable of the endpoint it costs a call nothing; a look-up costs a millisecond and more
    (docs/adr/0240). None of these holds a comma.
    """
    return (
        trunk.did_header,
        trunk.caller_in,
        trunk.number_in,
        trunk.prefix_in,
        trunk.country,
        trunk.national,
        trunk.international,
        str(trunk.channels_max),
        str(node.name_lookup),
    )


def _server(
    trunk: TrunkFacts, name: str, auth: str, server: ServerFacts, tls_port: int
) -> Iterator[Row]:
    uri = _uri(trunk, server)
    yield row(
        schema.TRUNK_AORS,
        name,
        contact=uri,
        outbound_proxy=_proxy(trunk),
        qualify_frequency=str(QUALIFY if trunk.qualify else 0),
    )
    if trunk.register:
        account = uri.removeprefix("sip:")
        yield row(
            schema.REGISTRATIONS,
            name,
            server_uri=uri,
            client_uri=f"sip:{trunk.username}@{account}",
            # The vendor calls this user; for DDIs in To the dialplan knows it as "ddi".
            contact_user="ddi" if trunk.did_header == "to" else trunk.username,
            outbound_auth=auth,
            outbound_proxy=_proxy(trunk),
            transport=_transport(trunk, server, tls_port),
        )


def _dialplan(trunk: TrunkFacts) -> Row:
    return row(
        schema.TRUNKS,
        trunk.key,
        country=trunk.country,
        caller_out=trunk.caller_out,
        number_out=trunk.number_out,
        prefix_out=trunk.prefix_out,
        national=trunk.national,
        international=trunk.international,
        servers=_order(trunk),
    )


def _order(trunk: TrunkFacts) -> str:
    """Endpoints to dial: ``/`` between those that are tried in turn, ``&`` where calls are shared.

    The dialplan reads it: ``trunk_1&trunk_1-S2/trunk_1-S3``.
    """
    pairs = zip(trunk.ordered, trunk.endpoints, strict=False)
    ranks = groupby(pairs, key=lambda pair: pair[0].priority)
    return "/".join("&".join(name for _, name in rank) for _, rank in ranks)


def _uri(trunk: TrunkFacts, server: ServerFacts) -> str:
    tail = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
    return f"sip:{text.host('trunk.server.host', server.host)}:{server.port}{tail}"


def _proxy(trunk: TrunkFacts) -> str:
    """A loose router (RFC 3261, 16.12.1): without ``lr`` the request's address would be lost."""
    return f"{_uri(trunk, trunk.proxy)};lr" if trunk.proxy else ""


def _transport(trunk: TrunkFacts, server: ServerFacts | None, tls_port: int) -> str:
    """The transport that verifies the server's certificate; others are found by the address."""
    if trunk.transport != "tls" or server is None:
        return ""
    way = trunk.proxy or server
    return f"transport-tls{6 if ':' in way.host else 4}-{tls_port}"


@functools.lru_cache(maxsize=256)
def _fingerprint(key: str, username: str, password: str) -> str:
    """Return 8 hexadecimal digits that change with the credentials.

    Asterisk registers anew only if the registration's own row changed, so the name of its auth,
    which stands there, must change with the password. The name is shown in diffs: scrypt (RFC
    7914) keeps it useless for guessing.
    """
    salt = f"{key} {username}".encode()
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=4).hex()
