"""The sandbox that runs beside a command: wait until it is ready, or say that there is none.

``python -m lab.beside`` only looks; it needs nothing installed.
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import Any

from lab import keys
from lab.errors import LabError
from lab.keys import Places

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300.0
NONE_RUNS = "no sandbox runs here: start `make run` in another terminal"


def state(where: Places, patience: float = START_SECONDS) -> dict[str, Any]:
    """Return what the running sandbox says of itself; waits while it starts.

    Raises LabError if none runs here, if it ended while it started, or after *patience* seconds.
    """
    deadline = time.monotonic() + patience
    waited = False
    while True:
        if not held(where):
            raise LabError("the sandbox ended before it was ready" if waited else NONE_RUNS)
        if (found := _read(where)) is not None:
            return found
        if time.monotonic() >= deadline:
            raise LabError(f"the sandbox is not ready after {patience:g} s: see {where.log}")
        if not waited:
            print("`make run` is still starting; waiting", file=sys.stderr, flush=True)
        waited = True
        time.sleep(0.2)


def _read(where: Places) -> dict[str, Any] | None:
    try:
        return dict(json.loads(where.state.read_text()))
    except (OSError, ValueError):
        return None


def held(where: Places) -> bool:
    """Whether a sandbox runs here or is starting."""
    try:
        with (where.run / "sandbox.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> int:
    """Exit 0 once a sandbox is ready."""
    try:
        state(keys.places(ROOT))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
