"""The realtime database in PostgreSQL, for production."""

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql

from ddiweb.deploy.errors import Refused, Retryable
from peers.realtime import call_view, iax_expiry, schema, static_view
from peers.realtime.diff import Change
from peers.realtime.iax import Place
from peers.realtime.rows import Rows
from peers.realtime.store import TIMEOUT, Role
from peers.realtime.store_common import (
    create_table,
    cross_out,
    quote,
    read_fence,
    read_owed,
    read_places,
    read_rows,
    read_some,
    write_change,
)

_ROLE = re.compile(r"\A[a-z][a-z0-9_]{0,62}\Z")
#: Any number will do, as long as all writers use the same: "ddi" and a digit.
ADVISORY_LOCK = 0x64646901


class PgsqlStore:
    """One connection a call; writers take turns by an advisory lock."""

    def __init__(self, url: str, role: Role) -> None:
        self._url = url
        self._role = role

    def create_schema(self) -> None:
        """Create the missing tables and columns in the URL's database."""
        with self._transaction() as cursor:
            for table in (*schema.TABLES, schema.FENCE, schema.OWED):
                cursor.execute(create_table(table, "varchar"))
                for column in (*table.columns, *table.kept):
                    cursor.execute(
                        f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {quote(column.name)} "
                        f"varchar NOT NULL DEFAULT '{column.default}'"
                    )
            # In place: to drop it would take the reader's right to it.
            for view in (static_view, call_view):
                cursor.execute(f"CREATE OR REPLACE VIEW {view.VIEW} AS {view.select()}")
            for step in iax_expiry.PGSQL:
                cursor.execute(step)

    def grant_reader(self, role: str) -> None:
        """Let ``role``, Asterisk's, read the rows, and write what it keeps."""
        if not _ROLE.fullmatch(role):
            raise Refused("realtime database: the reader's role has not the form that is needed")
        with self._transaction() as cursor:
            views = static_view.VIEW, call_view.VIEW
            for table in (*(table.name for table in schema.TABLES), *views):
                names = sql.Identifier(table), sql.Identifier(role)
                cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(*names))
                cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(*names))
            kept = sql.SQL(", ").join([sql.Identifier(one.name) for one in schema.IAX.kept])
            where = sql.Identifier(schema.IAX.name), sql.Identifier(role)
            cursor.execute(sql.SQL("GRANT UPDATE ({}) ON {} TO {}").format(kept, *where))

    def read(self) -> Rows:
        """Return all rows, of one instant."""
        with self._transaction(read=True) as cursor:
            return read_rows(cursor)

    def places(self) -> tuple[Place, ...]:
        """Return where IAX2 phones registered; see ``Store.places``."""
        with self._transaction(read=True) as cursor:
            return read_places(cursor)

    def read_some(self, keys: Collection[tuple[str, str]]) -> Rows:
        """Return the rows of these tables and ids."""
        with self._transaction(read=True) as cursor:
            return read_some(cursor, keys, "%s")

    def fence(self) -> int:
        """Return the highest fence that ever wrote."""
        with self._transaction(read=True) as cursor:
            return read_fence(cursor)

    def write(self, change: Change, fence: int, owed: Sequence[str] = ()) -> None:
        """Write ``change`` in one transaction; see ``Store.write``."""
        if self._role == "reader":
            raise Refused("realtime database: opened for reading")
        with self._transaction() as cursor:
            write_change(cursor, change, fence, "%s", owed)

    def owed(self) -> tuple[str, ...]:
        """Return what Asterisk must still be told."""
        with self._transaction(read=True) as cursor:
            return read_owed(cursor)

    def paid(self, told: str) -> None:
        """Cross out one thing that Asterisk was told."""
        with self._transaction() as cursor:
            cross_out(cursor, told, "%s")

    def close(self) -> None:
        """Nothing is kept open."""

    @contextlib.contextmanager
    def _transaction(self, read: bool = False) -> Iterator[Any]:
        try:
            with (
                psycopg.connect(self._url, connect_timeout=int(TIMEOUT)) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(f"SET LOCAL statement_timeout = {int(TIMEOUT * 1000)}")
                cursor.execute(f"SET LOCAL lock_timeout = {int(TIMEOUT * 1000)}")
                if read:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                else:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
                yield cursor
        except psycopg.Error as error:
            # The text of an error may repeat a row; its class says enough.
            raise Retryable(f"realtime database: {type(error).__name__}") from error
