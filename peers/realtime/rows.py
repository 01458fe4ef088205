"""Rows of the realtime tables as frozen, sorted values."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ddiweb.deploy.errors import Refused
from ddiweb.redact import redacted
from peers.realtime import schema
from peers.realtime.text import row_text

#: At the end of a SIP URI that we made (RFC 3261, 25.1). Only tables that Asterisk loads whole have
#: such columns: a realtime look-up would split the value there.
_OWN_PARAMETERS = re.compile(r"(;transport=(tcp|tls))?(;lr)?\Z")
_ORDER = {table.name: index for index, table in enumerate(schema.TABLES)}


@dataclass(frozen=True)
class Row:
    """One row: ``values`` stand in the order of the table's columns, without the id."""

    table: str
    id: str
    values: tuple[str, ...]

    @property
    def key(self) -> tuple[int, str]:
        """Sort key: tables in the order of the schema, then the id."""
        return _ORDER[self.table], self.id

    def as_dict(self) -> dict[str, str]:
        """Return column names and values, the id too."""
        return dict(zip(schema.BY_NAME[self.table].names, (self.id, *self.values), strict=True))

    def __repr__(self) -> str:
        """Name the row only: its values may be secret."""
        return f"Row({self.table}/{redacted(self.id)})"


def row(table: schema.Table, id: str, **values: str) -> Row:
    """Return a row with the schema's defaults for what is not given.

    Raises Refused for a value that a realtime driver would not carry as it is, TypeError for an
    unknown column.
    """
    unknown = set(values) - {column.name for column in table.columns}
    if unknown:
        raise TypeError(f"{table.name} has no {', '.join(sorted(unknown))}")
    made = Row(table.name, id, tuple(values.get(c.name, c.default) for c in table.columns))
    return check(made)


def check(candidate: Row) -> Row:
    """Return ``candidate`` if every value is carried by both drivers as it is; raises Refused."""
    if not candidate.id:
        raise Refused(f"{candidate.table}.id: is empty; give it a key")
    row_text(f"{candidate.table}.id", candidate.id)
    columns = schema.BY_NAME[candidate.table].columns
    for column, value in zip(columns, candidate.values, strict=True):
        plain = _OWN_PARAMETERS.sub("", value) if column.uri else value
        row_text(f"{candidate.table}.{column.name}", plain)
    return candidate


@dataclass(frozen=True)
class Rows:
    """All rows of a node, sorted; equal contents are equal values."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Rows":
        """Sort ``rows``; raises Refused if two have the same table and id."""
        ordered = sorted(rows, key=lambda one: one.key)
        for before, after in itertools.pairwise(ordered):
            if before.key == after.key:
                raise Refused(f"{after.table}: {redacted(after.id)} stands twice; rename one")
        return cls(tuple(ordered))

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], Row]:
        """Rows by (table, id)."""
        return {(one.table, one.id): one for one in self.rows}

    def table(self, name: str) -> tuple[Row, ...]:
        """Rows of one table, by id."""
        return tuple(one for one in self.rows if one.table == name)

    def digest(self) -> str:
        """SHA-256 of all tables, ids and values, as hexadecimal digits."""
        text = json.dumps([[one.table, one.id, *one.values] for one in self.rows])
        return hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.rows)
