"""The database's tables, made by migration once and copied afterwards.

Django builds the models of every step anew, some 15 s of work for an empty database; a lab that
begins many databases keeps one without rows, named by what made it. ``python -m lab.tables`` makes
the tables of the database in the settings.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from lab import demo

ROOT = Path(__file__).resolve().parent.parent
_FOLDER = ROOT / "var" / "tables"


def migrate() -> None:
    """Start Django and bring the database's tables up to date."""
    demo.set_up()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    wanted = settings.DATABASES["default"]
    path = Path(wanted["NAME"]) if wanted["ENGINE"].endswith("sqlite3") else None
    fresh = path is not None and not path.exists()
    kept = _kept()
    if path and fresh and kept.exists():
        shutil.copyfile(kept, path)
    call_command("migrate", interactive=False, verbosity=0)
    if path and fresh and not kept.exists():
        connection.close()
        _keep(path, kept)


def _kept() -> Path:
    """Where the tables of these migrations, and of these versions of other people's, are kept."""
    steps = [*ROOT.glob("*/migrations/*.py"), *ROOT.glob("ddiweb/*/migrations/*.py")]
    made = hashlib.sha256()
    for one in sorted({ROOT / "requirements.txt", *steps}):
        made.update(f"{one.relative_to(ROOT)}\0".encode() + one.read_bytes() + b"\0")
    return _FOLDER / f"{made.hexdigest()[:16]}.sqlite3"


def _keep(path: Path, kept: Path) -> None:
    """Copy a database of tables alone; another lab may do the same at this moment."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
        copy = Path(folder) / "tables"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        copy.replace(kept)


if __name__ == "__main__":
    migrate()
