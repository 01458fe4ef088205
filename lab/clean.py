"""``make clean``: remove .venv and var/, unless a sandbox runs."""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")


def main() -> int:
    """Remove them; 1 while a sandbox runs."""
    lock = ROOT / "var" / "run" / "sandbox.lock"
    if lock.exists():
        with lock.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("`make run` runs: end it first", file=sys.stderr)
                return 1
    for name in (".venv", "var", *CACHES):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
