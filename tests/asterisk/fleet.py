"""Many phones in one process: each with a socket of its own, registering as it is told.

``python -m tests.asterisk.fleet``, in a namespace. One JSON line a command on standard input (so
that no process list shows a secret), one an answer on standard output.
"""

import json
import sys
import time
from typing import Any

from lab.rawsip import Line

SERVER = ("203.0.113.10", 5060)
Phone = dict[str, Any]


class Fleet:
    """The phones by their ids."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}

    def do_register(self, phones: list[Phone]) -> dict[str, int]:
        """Register each on its own flow; returns the final status by id, 0 for silence."""
        found = {}
        for phone in phones:
            line = self.lines.setdefault(phone["id"], Line(SERVER, timeout=8.0))
            found[str(phone["id"])] = line.register(
                phone["user"], phone["password"], user_agent=phone["agent"], expires=600
            )
        return found

    def do_knock(self, phones: list[Phone], wait: float) -> int:
        """Send each one's REGISTER from a new flow, twice; returns how many were answered."""
        lines = [Line(SERVER) for _ in phones]
        for _ in range(2):
            for line, phone in zip(lines, phones, strict=True):
                line.send(line.request("REGISTER", phone["user"], user_agent=phone["agent"]))
        time.sleep(wait)
        return sum(1 for line in lines if line.final(0.02))


def main() -> None:
    """Serve until standard input ends."""
    fleet = Fleet()
    for text in sys.stdin:
        wish = json.loads(text)
        print(json.dumps(getattr(fleet, f"do_{wish.pop('do')}")(**wish)), flush=True)


if __name__ == "__main__":
    main()
