"""What Asterisk itself says of endpoints that were written: rows alone prove nothing.

A trunk is a copy that Asterisk took at a reload; a phone is read from the database, which may be
another one than was written. Only what decides who may do what is compared, and never shown is a
secret: ``PJSIPShowEndpoint`` tells those too.
"""

import time
from collections.abc import Iterable, Iterator

from ddiweb.redact import redacted
from peers.realtime import schema
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.diff import Change
from peers.realtime.rows import Row, Rows

#: Endpoints asked about after one change; with more, those that come first stand for the rest.
MOST = 50
#: Seconds that a reload is given to come into force.
PATIENCE = 3.0
COLUMNS = (
    *("context", "aors", "auth", "identify_by", "media_encryption"),
    *("direct_media", "allow_transfer", "allow_subscribe", "trust_id_inbound"),
)
_TABLES = (schema.TRUNK_ENDPOINTS.name, schema.ENDPOINTS.name)
_WORDS = {"true": "yes", "false": "no"}


def touched(change: Change) -> tuple[str, ...]:
    """Names of the endpoints that a change names, trunks first."""
    rows = [row for table in _TABLES for row in change.touched(table)]
    return tuple(dict.fromkeys(row.id for row in rows))[:MOST]


def differences(client: AmiClient, rows: Rows, names: Iterable[str]) -> list[str]:
    """What Asterisk holds otherwise than ``rows``, of these endpoints; waits for a reload."""
    wanted = {row.id: row for table in _TABLES for row in rows.table(table)}
    asked = tuple(names)
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [line for name in asked for line in _of(client, name, wanted.get(name))]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _of(client: AmiClient, name: str, row: Row | None) -> Iterator[str]:
    try:
        answer = client.action("PJSIPShowEndpoint", Endpoint=name)
    except ActionRefused:
        if row is not None:
            yield f"Asterisk does not know {redacted(name)}"
        return
    if row is None:
        yield f"Asterisk still knows {redacted(name)}"
        return
    values = row.as_dict()
    for message in answer:
        if message.event != "EndpointDetail":
            continue
        for column in COLUMNS:
            said = message.get(column.replace("_", ""))
            if _WORDS.get(said, said) != values.get(column, said):
                yield f"Asterisk has another {column} of {redacted(name)}"
