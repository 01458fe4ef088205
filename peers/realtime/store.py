"""The realtime database: read all rows, write a change in one transaction under a fence.

Two kinds, both proved with Asterisk: SQLite (default) and PostgreSQL. The database is separate from
the panel's own; Asterisk only reads it.
"""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol
from urllib.parse import urlsplit

from ddiweb.deploy.errors import Refused
from peers.realtime.diff import Change
from peers.realtime.iax import Place
from peers.realtime.rows import Rows

Role = Literal["writer", "reader"]
#: Seconds to wait for a lock or a connection before Retryable.
TIMEOUT = 5.0


class Store(Protocol):
    """A realtime database. Every method may raise Retryable (locked, unreachable)."""

    def create_schema(self) -> None:
        """Create the missing tables and columns; harmless when they are there."""

    def read(self) -> Rows:
        """Return all rows, of one instant."""

    def places(self) -> tuple[Place, ...]:
        """Return where IAX2 phones registered, as Asterisk notes it beside their rows."""

    def read_some(self, keys: Collection[tuple[str, str]]) -> Rows:
        """Return the rows of these tables and ids, as far as they are there, of one instant."""

    def fence(self) -> int:
        """Return the highest fence that ever wrote; 0 on a new database."""

    def write(self, change: Change, fence: int, owed: Sequence[str] = ()) -> None:
        """Write ``change``, and what Asterisk must be told of it, in one transaction.

        Raises Refused if a higher fence has written before (another worker took over), Retryable
        if a row is not as it was when the change was computed; nothing is written then.
        """

    def owed(self) -> tuple[str, ...]:
        """Return what Asterisk must still be told: written, and not crossed out by ``paid``."""

    def paid(self, told: str) -> None:
        """Cross out one thing that Asterisk was told."""

    def close(self) -> None:
        """Give back connections."""


def open_store(url: str, role: Role = "writer") -> Store:
    """Return the store of ``sqlite:////absolute/path`` or ``postgresql://…``.

    A ``reader`` opens the database read-only. Raises Refused for another kind of URL; the message
    never repeats the URL, which may hold a password.
    """
    if role not in ("writer", "reader"):
        raise Refused("realtime database: the role is writer or reader")
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        from peers.realtime.store_sqlite import SqliteStore

        path = parts.path if not parts.path.startswith("//") else parts.path[1:]
        if parts.netloc or not path.startswith("/") or "\0" in path:
            raise Refused("realtime database: write sqlite:///absolute/path")
        return SqliteStore(path, role)
    if parts.scheme in ("postgresql", "postgres"):
        from peers.realtime.store_pgsql import PgsqlStore

        return PgsqlStore(url, role)
    raise Refused("realtime database: the URL begins neither with sqlite: nor with postgresql:")
