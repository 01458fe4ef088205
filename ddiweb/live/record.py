"""Write what the watch saw. All text here was chosen by strangers: it is cut, never trusted."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from ddiweb import clock
from ddiweb.deploy.models import Node
from ddiweb.live.models import Call, Contact, SecurityEvent
from ddiweb.redact import TOKEN, redacted
from peers import services
from peers.models import Peer, Token
from peers.realtime.cdr import CallRecord
from peers.realtime.contacts import Contact as SeenContact
from peers.realtime.events import Incident

_HOST = re.compile(r"\A(?:sips?|iax2):(?:[^@]*@)?(\[[0-9a-fA-F:.]+\]|[^:;>]+)(?::([0-9]{1,5}))?")
_TRANSPORT = re.compile(r";transport=(udp|tcp|tls)(?=[;?>]|\Z)", re.IGNORECASE)
#: A contact is written again at least this often (seconds), so that "seen" stays true.
REFRESH = 30


def plain(text: str, length: int) -> str:
    """``text`` without what is not printable, cut to ``length``; tokens are redacted."""
    return "".join(c for c in redacted(text) if c.isprintable())[:length]


def address_of(uri: str) -> str:
    """The ``address:port`` that packets to this SIP URI go to (RFC 3261, 19.1)."""
    found = _HOST.match(uri)
    if not found:
        return ""
    return plain(found[1] + (f":{found[2]}" if found[2] else ""), 64)


def transport_of(uri: str) -> str:
    """``udp``, ``tcp`` or ``tls``: what a contact's URI asks for (RFC 3261, 19.1.1)."""
    if uri.lower().startswith("sips:"):
        return "tls"
    found = _TRANSPORT.search(uri)
    return found[1].lower() if found else "udp"


def contacts(node: Node, seen: Iterable[SeenContact]) -> int:
    """Make the contacts of ``node`` what Asterisk holds; returns how many phones showed a token.

    A token that is seen for the first time makes its peer's older ones retire.
    """
    now = timezone.now()
    keys = _keys(node)
    known = {(row.endpoint, row.uri): row for row in Contact.objects.filter(node=node)}
    tokens = 0
    for contact in seen:
        place = _key(node, keys, contact.aor), plain(contact.uri, 512)
        shown = _token(node, contact, clock.now())
        _contact(node, place, _values(contact, shown), known.pop(place, None), now)
        tokens += shown is not None
    Contact.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    return tokens


def _keys(node: Node) -> dict[str, str]:
    """Username → key: Asterisk knows a phone by its username, which may change."""
    return {peer.username: peer.key for peer in Peer.objects.filter(node=node).only("username")}


def _key(node: Node, keys: dict[str, str], name: str) -> str:
    """The key of the peer that signs in with ``name``: its username, or one of its tokens."""
    if name in keys or not TOKEN.fullmatch(name):
        return keys.get(name, plain(name, 64))
    token = Token.objects.filter(node=node, digest=services.token_digest(name)).first()
    return f"peer_{token.peer_id}" if token and token.peer_id else plain(name, 64)


def keys_of(node: Node, names: Iterable[str]) -> dict[str, str]:
    """Each of these names of endpoints → the key of its peer, or itself."""
    wanted = set(names)
    peers = Peer.objects.filter(node=node, username__in=wanted).only("username")
    keys = {peer.username: peer.key for peer in peers}
    return {name: _key(node, keys, name) for name in wanted}


def _values(seen: SeenContact, shown: Token | None) -> dict[str, Any]:
    """The columns of a contact."""
    return {
        "address": address_of(seen.uri),
        "transport": transport_of(seen.uri),
        "token": shown.hint if shown else "",
        "user_agent": plain(seen.user_agent, 255),
        "status": plain(seen.status, 20),
        "round_trip_us": seen.rtt_usec,
        "expires_at": datetime.fromtimestamp(seen.expires, UTC) if seen.expires else None,
    }


def _contact(
    node: Node, place: tuple[str, str], values: dict[str, Any], row: Contact | None, now: datetime
) -> None:
    """Write the contact of an endpoint at a URI, if it is new, changed or long unwritten."""
    if row is None or row.expires_at != values["expires_at"]:
        values["refreshed_at"] = clock.now()
    if row is None:
        endpoint, uri = place
        Contact.objects.update_or_create(
            node=node, endpoint=endpoint, uri=uri, defaults=values | {"seen_at": now}
        )
    elif (now - row.seen_at).total_seconds() > REFRESH or any(
        getattr(row, name) != value for name, value in values.items()
    ):
        Contact.objects.filter(pk=row.pk).update(**values, seen_at=now)


def _token(node: Node, seen: SeenContact, now: datetime) -> Token | None:
    """The token of its own that a contact shows; the newest if there are two."""
    found = None
    # A token may stand in the User-Agent, in a parameter of the contact, or be the account's name.
    for value in set(TOKEN.findall(f"{seen.user_agent} {seen.uri} {seen.aor}")):
        token = (
            Token.objects.filter(node=node, digest=services.token_digest(value))
            .select_related("peer")
            .first()
        )
        # Another peer's token in its words proves nothing.
        if token is None or token.peer is None or seen.aor not in (token.peer.username, value):
            continue
        found = token if found is None or token.pk > found.pk else found
        if token.seen_at is None or (now - token.seen_at).total_seconds() > REFRESH:
            services.token_seen(token, now)
    return found


def call(node: Node, record: CallRecord) -> None:
    """Store one call record; the same record twice is one row."""
    keys = keys_of(node, (record.destination, record.source))
    ends = [keys[record.destination], keys[record.source]]
    Call.objects.update_or_create(
        node=node,
        unique_id=plain(record.unique_id, 64),
        sequence=record.sequence,
        defaults={
            "peer": next((end for end in ends if end.startswith("peer_")), ends[0]),
            "started_at": record.started_at,
            "answered_at": record.answered_at,
            "ended_at": record.ended_at,
            "caller": plain(record.caller, 80),
            "number": plain(record.number, 32),
            "trunk": plain(record.trunk, 40),
            "disposition": plain(record.disposition, 20),
            "seconds": record.seconds,
            "billed_seconds": record.billed_seconds,
        },
    )


def incident(node: Node, seen: Incident) -> None:
    """Store one security event."""
    SecurityEvent.objects.create(
        node=node,
        at=timezone.now(),
        kind=plain(seen.kind, 40),
        account=plain(seen.account, 80),
        address=plain(seen.address, 64),
    )
