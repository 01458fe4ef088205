"""The agent's log: one JSON line an event, on standard error."""

import contextlib
import json
import sys
import threading
import time
from typing import Any

from firewall.ruleset.values import redact

_lock = threading.Lock()


def log(event: str, **values: Any) -> None:
    """One JSON line on stderr. Values are numbers and short texts; tokens are redacted."""
    line = json.dumps({"at": round(time.time(), 3), "event": event, **values}, default=str)
    with _lock, contextlib.suppress(OSError, ValueError):
        print(redact(line), file=sys.stderr, flush=True)
