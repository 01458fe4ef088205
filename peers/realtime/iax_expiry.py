"""A trigger that keeps a registered IAX2 phone reachable.

For each registration of a phone that is not cached chan_iax2 starts a timer of its own (60 s and
10 s), and none is stopped by the phone's next one. Whenever a timer ends, Asterisk writes "never
registered" (``regseconds`` 0, the same address) into a row that is fresh: seen on Asterisk 22, a
phone was away for 30 of each 50 s. Whether a registration is too old Asterisk finds by its time
all the same, and a phone that takes its leave is written without an address.
"""

from peers.realtime import schema

NAME = "ddi_iax_expiry"
_WHEN = (
    "NEW.regseconds = '0' AND OLD.regseconds <> '0' "
    "AND NEW.ipaddr = OLD.ipaddr AND NEW.ipaddr <> ''"
)
_TABLE = schema.IAX.name

_KEEP = f"UPDATE {_TABLE} SET regseconds = OLD.regseconds WHERE id = NEW.id"  # noqa: S608 - our names

#: Of SQLite; a trigger does not fire itself there (PRAGMA recursive_triggers).
SQLITE = (
    f"DROP TRIGGER IF EXISTS {NAME}",
    f"CREATE TRIGGER {NAME} AFTER UPDATE OF regseconds ON {_TABLE} WHEN {_WHEN} BEGIN {_KEEP}; END",
)
#: Of PostgreSQL (14 and newer).
PGSQL = (
    f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.regseconds := OLD.regseconds; RETURN NEW; END $$",
    f"CREATE OR REPLACE TRIGGER {NAME} BEFORE UPDATE ON {_TABLE} FOR EACH ROW WHEN ({_WHEN}) "
    f"EXECUTE FUNCTION {NAME}()",
)
