"""Two sets of rows to the smallest change, and the AMI actions that this change needs. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ddiweb.redact import redacted
from peers.realtime import schema
from peers.realtime.actions import Action, Reload, RemoveContacts
from peers.realtime.iax import Iax
from peers.realtime.rows import Row, Rows

REDACTED = "********"


@dataclass(frozen=True)
class Update:
    """One row before and after."""

    before: Row
    after: Row

    def changed(self) -> Iterator[tuple[schema.Column, str, str]]:
        """Yield each column that differs with its old and new value."""
        columns = schema.BY_NAME[self.after.table].columns
        for column, old, new in zip(columns, self.before.values, self.after.values, strict=True):
            if old != new:
                yield column, old, new


@dataclass(frozen=True)
class Change:
    """What has to be written, sorted, and what Asterisk has to be told afterwards."""

    inserts: tuple[Row, ...] = ()
    updates: tuple[Update, ...] = ()
    deletes: tuple[Row, ...] = ()
    #: Whether the first IAX2 phone comes (True), or the last one goes (False).
    iax: bool | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.inserts or self.updates or self.deletes)

    def touched(self, table: str) -> tuple[Row, ...]:
        """Return all rows of ``table``, old and new, that the change names."""
        rows = [*self.inserts, *self.deletes]
        for update in self.updates:
            rows += [update.before, update.after]
        return tuple(row for row in rows if row.table == table)

    @property
    def actions(self) -> tuple[Action, ...]:
        """AMI actions in the order in which they are to be done; often none.

        Phones, their passwords and routes are in force at the next request without any. Trunks
        are read at a reload only, and a registration is begun or ended by that of its own module.
        The contact of a phone whose aor vanished would otherwise stay until it expires.
        """
        actions: list[Action] = []
        if any(self.touched(table.name) for table in schema.STATIC):
            actions.append(Reload("res_pjsip.so"))
        if self.touched(schema.REGISTRATIONS.name):
            actions.append(Reload("res_pjsip_outbound_registration.so"))
        for row in self.deletes:
            if row.table == schema.AORS.name:
                actions.append(RemoveContacts(row.id))
        if self.iax is not None:
            actions.append(Iax(self.iax))
        return tuple(actions)

    def lines(self) -> tuple[str, ...]:
        """Return the change for people, a line a row or column, secrets redacted."""
        # A name that an account signs in with may be a token.
        return tuple(map(redacted, self._lines()))

    def _lines(self) -> Iterator[str]:
        for row in self.deletes:
            yield f"- {row.table} {row.id}"
        for update in self.updates:
            for column, old, new in update.changed():
                values = f"{REDACTED} (changed)" if column.secret else f"{old!r} -> {new!r}"
                yield f"~ {update.after.table} {update.after.id} {column.name}: {values}"
        for row in self.inserts:
            columns = schema.BY_NAME[row.table].columns
            shown = [
                f"{column.name}={REDACTED if column.secret else value}"
                for column, value in zip(columns, row.values, strict=True)
                if value and value != column.default
            ]
            yield " ".join([f"+ {row.table} {row.id}", *shown])


def diff(desired: Rows, actual: Rows) -> Change:
    """Return what brings ``actual`` to ``desired``."""
    inserts, updates = [], []
    for key, row in desired.by_key.items():
        present = actual.by_key.get(key)
        if present is None:
            inserts.append(row)
        elif present != row:
            updates.append(Update(present, row))
    deletes = [row for key, row in actual.by_key.items() if key not in desired.by_key]
    had, wants = (bool(rows.table(schema.IAX.name)) for rows in (actual, desired))
    return Change(tuple(inserts), tuple(updates), tuple(deletes), wants if had != wants else None)
