"""What a call to a DDI asks for in one look-up: the number with its first step.

Each look-up holds a call up for a millisecond, whatever the database does in it: Asterisk sleeps
that long until it may have its channel back (``ast_autoservice_stop``, main/autoservice.c;
docs/adr/0240). Most routes end with their first step.
"""

from peers.realtime import schema

VIEW = "ddi_calls"


def select() -> str:
    """The view's SELECT, for SQLite and PostgreSQL; all names are constants of the schema.

    ``named`` is ``yes`` if a directory of callers is worth a look. No column is NULL. PostgreSQL
    replaces a view only by one with more columns at its end: a column of a step comes last.
    """
    number = "".join(f', n."{column.name}"' for column in schema.NUMBERS.columns)
    step = "".join(
        f', COALESCE(s."{column.name}", \'\') AS "{column.name}"' for column in schema.STEPS.columns
    )
    return (
        f"SELECT n.id AS id{number}, "  # noqa: S608 - constants only
        f"CASE WHEN EXISTS (SELECT 1 FROM {schema.NAMES.name}) THEN 'yes' ELSE '' END AS named"
        f"{step} FROM {schema.NUMBERS.name} AS n "
        f"LEFT JOIN {schema.STEPS.name} AS s ON s.id = n.id || '-1'"
    )
