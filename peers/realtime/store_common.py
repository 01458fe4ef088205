"""What both realtime databases share: the statements, and the order of a write."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from ddiweb.deploy.errors import Refused, Retryable
from peers.realtime import schema
from peers.realtime.diff import Change
from peers.realtime.iax import Place
from peers.realtime.rows import Row, Rows, check

FENCE_ID = "fence"


class Cursor(Protocol):
    """The part of a DB-API cursor (PEP 249) that is used here."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement touched."""

    def execute(self, statement: Any, values: Sequence[str] = ..., /) -> Any:
        """Run one statement."""

    def fetchall(self) -> list[Any]:
        """Return all rows of the last statement."""


def create_table(table: schema.Table, text: str) -> str:
    """Return CREATE TABLE; all names are constants of the schema, ``text`` the column type."""
    columns = "".join(
        f", {quote(column.name)} {text} NOT NULL DEFAULT '{column.default}'"
        for column in (*table.columns, *table.kept)
    )
    return f"CREATE TABLE IF NOT EXISTS {table.name} (id {text} NOT NULL PRIMARY KEY{columns})"


def quote(name: str) -> str:
    """Quote a column name of the schema (``match`` is a keyword of SQLite)."""
    return f'"{name}"'


def read_rows(cursor: Cursor) -> Rows:
    """Read every table inside the caller's transaction."""
    rows: list[Row] = []
    for table in schema.TABLES:
        names = ", ".join(quote(name) for name in table.names)
        cursor.execute(f"SELECT {names} FROM {table.name}")  # noqa: S608 - constants only
        rows += [Row(table.name, values[0], tuple(values[1:])) for values in cursor.fetchall()]
    return Rows.of(rows)


def read_places(cursor: Cursor) -> tuple[Place, ...]:
    """Return where IAX2 phones registered."""
    cursor.execute(f"SELECT name, ipaddr, port, regseconds FROM {schema.IAX.name}")  # noqa: S608
    return tuple(
        Place(name, address, int(port), int(since))
        for name, address, port, since in cursor.fetchall()
        if address and f"{port}{since}".isdecimal()
    )


def read_some(cursor: Cursor, keys: Collection[tuple[str, str]], mark: str) -> Rows:
    """Read rows by table and id inside the caller's transaction, each by its primary key."""
    rows: list[Row] = []
    for name, id in keys:
        names = ", ".join(quote(column) for column in schema.BY_NAME[name].names)
        cursor.execute(f"SELECT {names} FROM {name} WHERE id = {mark}", (id,))  # noqa: S608
        rows += [Row(name, values[0], tuple(values[1:])) for values in cursor.fetchall()]
    return Rows.of(rows)


def read_fence(cursor: Cursor) -> int:
    """Return the stored fence, 0 if none."""
    cursor.execute(f"SELECT value FROM {schema.FENCE.name}")  # noqa: S608
    found = cursor.fetchall()
    return int(found[0][0]) if found else 0


def read_owed(cursor: Cursor) -> tuple[str, ...]:
    """Return what Asterisk must still be told, in the order in which it has to be."""
    cursor.execute(f"SELECT id FROM {schema.OWED.name} ORDER BY id")  # noqa: S608
    return tuple(found[0] for found in cursor.fetchall())


def cross_out(cursor: Cursor, told: str, mark: str) -> None:
    """Forget one thing that Asterisk was told."""
    cursor.execute(f"DELETE FROM {schema.OWED.name} WHERE id = {mark}", (told,))  # noqa: S608


def write_change(
    cursor: Cursor, change: Change, fence: int, mark: str, owed: Sequence[str] = ()
) -> None:
    """Write inside the caller's transaction; ``mark`` is the driver's placeholder.

    Raises Refused for a fence that was overtaken, Retryable for a row that is not as expected.
    """
    highest = read_fence(cursor)
    if fence < highest:
        raise Refused(f"realtime database: fence {fence} is older than {highest}; nothing written")
    table = schema.FENCE.name
    cursor.execute(f"DELETE FROM {table}")  # noqa: S608
    cursor.execute(
        f"INSERT INTO {table} (id, value) VALUES ({mark}, {mark})",  # noqa: S608
        (FENCE_ID, str(fence)),
    )
    for row in change.deletes:
        _one(cursor, f"DELETE FROM {row.table} WHERE id = {mark}", (row.id,))  # noqa: S608
    for update in change.updates:
        _update(cursor, update.before, update.after, mark)
    for row in change.inserts:
        _insert(cursor, check(row), mark)
    for text in owed:
        cross_out(cursor, text, mark)
        cursor.execute(f"INSERT INTO {schema.OWED.name} (id) VALUES ({mark})", (text,))  # noqa: S608


def _update(cursor: Cursor, before: Row, after: Row, mark: str) -> None:
    check(after)
    columns = schema.BY_NAME[after.table].columns
    pairs = zip(columns, before.values, after.values, strict=True)
    changed = [(column.name, old, new) for column, old, new in pairs if old != new]
    sets = ", ".join(f"{quote(name)} = {mark}" for name, _, _ in changed)
    same = " AND ".join(f"{quote(name)} = {mark}" for name, _, _ in changed)
    values = (*(new for _, _, new in changed), after.id, *(old for _, old, _ in changed))
    statement = f"UPDATE {after.table} SET {sets} WHERE id = {mark} AND {same}"  # noqa: S608
    _one(cursor, statement, values)


def _insert(cursor: Cursor, row: Row, mark: str) -> None:
    table = schema.BY_NAME[row.table]
    names = ", ".join(quote(name) for name in table.names)
    marks = ", ".join([mark] * len(table.names))
    statement = f"INSERT INTO {row.table} ({names}) VALUES ({marks})"  # noqa: S608
    cursor.execute(statement, (row.id, *row.values))


def _one(cursor: Cursor, statement: str, values: Sequence[str]) -> None:
    cursor.execute(statement, values)
    if cursor.rowcount != 1:
        raise Retryable("realtime database: a row changed since it was read; compute it again")
