"""How long it takes from a vendor's death to the panel's word: real Asterisk, real watch.

``python -m tests.asterisk.vendor_down [RUNS]`` kills a vendor's host RUNS times (10), each time at
another moment of Asterisk's asking, and prints the seconds until the API named it.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.stack import Stack
from lab.vendor import FIRST, SECOND
from peers.realtime.trunk_rows import QUALIFY

PORT = 5076
#: What was promised, seconds.
LIMIT = 60.0


@dataclass(frozen=True)
class TwoHosts:
    """A trunk with a host on each of the vendors' addresses; ``key`` is Asterisk's name of it."""

    stack: Stack
    folder: Path
    key: str

    def state(self) -> dict[str, Any]:
        """What the API says of it; nothing if nobody looked yet."""
        rows = self.stack.rows(f"/trunk-states/?endpoint={self.key}")
        return dict(rows[0]) if rows else {}

    def host(self, address: str) -> PjsuaPhone:
        """One of its hosts, not started."""
        space, name = self.stack.world().ns["vendor"], address.rpartition(".")[2]
        return PjsuaPhone(space, self.folder / name, address=address, port=PORT)

    def said(self, *silent: str, seconds: float = LIMIT) -> dict[str, Any]:
        """Wait until exactly these addresses are said to be silent; returns all that is said."""
        wanted = sorted(f"{one}:{PORT}" for one in silent)

        def told() -> bool:
            state = self.state()
            known = state.get("answers") is not None
            return known and sorted(state["silent_hosts"]) == wanted

        wait_until(told, seconds, f"{silent} silent", self.state)
        return self.state()


@contextmanager
def two_hosts(stack: Stack, folder: Path) -> Iterator[TwoHosts]:
    """The trunk in force."""
    node = stack.rows("/nodes/")[0]["slug"]
    body = {"node": node, "name": "Two hosts", "networks": [{"cidr": f"{SECOND}/32"}]}
    body |= {"host": FIRST, "port": PORT, "qualify": True}
    body["servers"] = [{"host": SECOND, "port": PORT, "priority": 1}]
    made = stack.ask("POST", "/trunks/", body)
    stack.settled()
    try:
        yield TwoHosts(stack, folder, made["key"])
    finally:
        stack.ask("DELETE", f"/trunks/{made['id']}/")
        stack.settled()


def main() -> int:
    """Measure; 1 if a death was not told in time."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seen: list[float] = []
    with tempfile.TemporaryDirectory(prefix="vendor-") as name:
        folder = Path(name)
        stack = Stack.start(folder / "stack")
        try:
            with two_hosts(stack, folder) as trunk, trunk.host(FIRST):
                for run in range(runs):
                    with trunk.host(SECOND):
                        trunk.said()
                        time.sleep(random.uniform(0, QUALIFY))
                    began = time.monotonic()
                    state = trunk.said(SECOND)
                    seen.append(time.monotonic() - began)
                    print(f"{run + 1:3} {seen[-1]:5.1f} s  {state['faults']}", flush=True)
        finally:
            stack.stop()
    print(f"median {statistics.median(seen):.1f} s, longest {max(seen):.1f} s, of {runs} deaths")
    return 0 if max(seen) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
