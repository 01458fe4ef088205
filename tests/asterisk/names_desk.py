"""The desk for callers' names without its database, for tests.

``python -m tests.asterisk.names_desk PORT``; the fields of a ``Lookup`` come as one JSON line on
standard input, each further line changes them. It says ``ready`` after each.
"""

import json
import sys

from peers.callernames.desk import Desk
from peers.callernames.fetch import Lookup
from peers.callernames.names import Names


def main() -> None:
    """Serve until standard input ends."""
    names = Names()
    desk = Desk(names, int(sys.argv[1]))
    for line in sys.stdin:
        names.use(Lookup(**json.loads(line)))
        print("ready", flush=True)
    desk.close()


if __name__ == "__main__":
    main()
