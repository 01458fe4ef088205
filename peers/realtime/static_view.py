"""Trunks as configuration that Asterisk loads from the database, beside realtime rows.

Asterisk's realtime drivers also load whole files from a table with one row a variable
(extconfig.conf, "static realtime"). This view makes such a table of the rows of trunks, so that
they stay typed rows in one database and one transaction, and Asterisk holds them in memory, lists
them and watches them; they are in force after a reload of ``res_pjsip.so`` (docs/adr/0110).
"""

from collections.abc import Iterator

from peers.realtime import schema

VIEW = "ddi_static"


def select() -> str:
    """The view's SELECT, for SQLite and PostgreSQL; all names are constants of the schema.

    Both drivers begin a new object where the name or ``cat_metric`` changes, so each row has a
    metric of its own. ``;`` is data here: only realtime look-ups split at it.
    """
    return " UNION ALL ".join(_columns())


def _columns() -> Iterator[str]:
    for table in schema.STATIC:
        for place, column in enumerate(table.columns):
            yield (
                f"SELECT '{table.name}.conf' AS filename, 0 AS commented, "  # noqa: S608
                f"n AS cat_metric, {place} AS var_metric, id AS category, "
                f"'{column.name}' AS var_name, \"{column.name}\" AS var_val "
                f"FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY id) AS n FROM {table.name}) AS t "
                f"WHERE \"{column.name}\" <> ''"
            )
