"""The realtime database in one SQLite file, the default of an embedded installation."""

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ddiweb.deploy.errors import Refused, Retryable
from peers.realtime import call_view, iax_expiry, schema, static_view
from peers.realtime.diff import Change
from peers.realtime.iax import Place
from peers.realtime.rows import Rows
from peers.realtime.store import TIMEOUT, Role
from peers.realtime.store_common import (
    create_table,
    cross_out,
    read_fence,
    read_owed,
    read_places,
    read_rows,
    read_some,
    write_change,
)
from peers.realtime.store_common import quote as quote_name

#: The file holds phone passwords' hashes and vendors' passwords.
FILE_MODE = 0o660


class SqliteStore:
    """A file in WAL mode: a writer never waits for Asterisk, nor Asterisk for a writer.

    Each call opens its own connection: safe after fork and in any thread. Never replace the file
    by rename while Asterisk runs: it would go on reading the old one.
    """

    def __init__(self, path: str, role: Role) -> None:
        self._path = path
        self._mode = "rwc" if role == "writer" else "ro"

    def create_schema(self) -> None:
        """Create the file and what it lacks."""
        if self._mode == "ro":
            raise Refused("realtime database: opened for reading")
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        os.close(descriptor)
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction() as cursor:
            for table in (*schema.TABLES, schema.FENCE, schema.OWED):
                cursor.execute(create_table(table, "TEXT"))
                cursor.execute(f"PRAGMA table_info({table.name})")
                present = {row[1] for row in cursor.fetchall()}
                for column in (*table.columns, *table.kept):
                    if column.name not in present:
                        cursor.execute(
                            f"ALTER TABLE {table.name} ADD COLUMN {quote_name(column.name)} "
                            f"TEXT NOT NULL DEFAULT '{column.default}'"
                        )
            for view in (static_view, call_view):
                made = f"CREATE VIEW {view.VIEW} AS {view.select()}"
                cursor.execute("SELECT sql FROM sqlite_master WHERE name = ?", (view.VIEW,))
                if cursor.fetchone() != (made,):
                    cursor.execute(f"DROP VIEW IF EXISTS {view.VIEW}")
                    cursor.execute(made)
            for step in iax_expiry.SQLITE:
                cursor.execute(step)

    def read(self) -> Rows:
        """Return all rows, of one instant."""
        with self._transaction("DEFERRED") as cursor:
            return read_rows(cursor)

    def places(self) -> tuple[Place, ...]:
        """Return where IAX2 phones registered; see ``Store.places``."""
        with self._transaction("DEFERRED") as cursor:
            return read_places(cursor)

    def read_some(self, keys: Collection[tuple[str, str]]) -> Rows:
        """Return the rows of these tables and ids."""
        with self._transaction("DEFERRED") as cursor:
            return read_some(cursor, keys, "?")

    def fence(self) -> int:
        """Return the highest fence that ever wrote."""
        with self._transaction("DEFERRED") as cursor:
            return read_fence(cursor)

    def write(self, change: Change, fence: int, owed: Sequence[str] = ()) -> None:
        """Write ``change`` in one transaction; see ``Store.write``."""
        if self._mode == "ro":
            raise Refused("realtime database: opened for reading")
        with self._transaction() as cursor:
            write_change(cursor, change, fence, "?", owed)

    def owed(self) -> tuple[str, ...]:
        """Return what Asterisk must still be told."""
        with self._transaction("DEFERRED") as cursor:
            return read_owed(cursor)

    def paid(self, told: str) -> None:
        """Cross out one thing that Asterisk was told."""
        with self._transaction() as cursor:
            cross_out(cursor, told, "?")

    def close(self) -> None:
        """Nothing is kept open."""

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        uri = f"file:{quote(str(Path(self._path)))}?mode={self._mode}"
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=TIMEOUT, isolation_level=None)
        except sqlite3.Error as error:
            raise Retryable(f"realtime database: {error}") from error
        try:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
        except sqlite3.IntegrityError as error:
            raise Retryable(f"realtime database: rows changed meanwhile ({error})") from error
        except sqlite3.Error as error:
            raise Retryable(f"realtime database: {error}") from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Cursor]:
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute(f"BEGIN {kind}")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    cursor.execute("ROLLBACK")
                raise
