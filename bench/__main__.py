"""``python -m bench [NAME…]``: measure, print a table, write ``var/bench.json``."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from bench.result import Result, table, write

#: A new benchmark is one file with ``run() -> list[Result]`` and one word here.
NAMES = ("edits", "token_change", "packets", "rebuild", "peers", "registers")

#: Those that take minutes run by name alone.
LONG = ("trunk_storage",)


def main() -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES), help=", ".join(NAMES))
    parser.add_argument("--full", action="store_true", help="10 to 100,000 peers: half an hour")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"))
    given = parser.parse_args()
    if unknown := set(given.names) - {*NAMES, *LONG}:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are: {NAMES + LONG}")
    if given.full:
        os.environ["DDIWEB_BENCH_PEERS"] = "10,1000,10000,100000"
    results: list[Result] = []
    for name in given.names:
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        results += importlib.import_module(f"bench.{name}").run()
        # After each: a long run that is ended early keeps what it has measured.
        write(results, given.json)
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
