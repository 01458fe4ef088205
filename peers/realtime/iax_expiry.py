"""A trigger that keeps a registered IAX2 phone reachable.

For each registration of a phone that is not cached chan_iax2 starts a timer of its own (60 s and
10 s), and none is stopped by the phone's next one. Whenever a timer ends, Asterisk writes the place
of that earlier registration and "never registered" (``regseconds`` 0) into a row that is fresh:
seen on Asterisk 22, a phone was away for 30 of each 50 s, or called where it no longer was. How old
a registration is its time tells all the same, and a phone that takes its leave is written without
an address. Nothing else writes 0: with ``rtignoreregexpire`` a look at an old row leaves it alone.
"""

from peers.realtime import schema

NAME = "ddi_iax_expiry"
_WHEN = "NEW.regseconds = '0' AND OLD.regseconds <> '0' AND NEW.ipaddr NOT IN ('', '(null)')"
_TABLE = schema.IAX.name
_COLUMNS = [column.name for column in schema.IAX.kept]

_BACK = ", ".join(f"{name} = OLD.{name}" for name in _COLUMNS)
_KEEP = f"UPDATE {_TABLE} SET {_BACK} WHERE id = NEW.id"  # noqa: S608 - our names
_ASSIGN = "; ".join(f"NEW.{name} := OLD.{name}" for name in _COLUMNS)

#: Of SQLite; a trigger does not fire itself there (PRAGMA recursive_triggers).
SQLITE = (
    f"DROP TRIGGER IF EXISTS {NAME}",
    f"CREATE TRIGGER {NAME} AFTER UPDATE OF regseconds ON {_TABLE} WHEN {_WHEN} BEGIN {_KEEP}; END",
)
#: Of PostgreSQL (14 and newer).
PGSQL = (
    f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {_ASSIGN}; RETURN NEW; END $$",
    f"CREATE OR REPLACE TRIGGER {NAME} BEFORE UPDATE ON {_TABLE} FOR EACH ROW WHEN ({_WHEN}) "
    f"EXECUTE FUNCTION {NAME}()",
)
