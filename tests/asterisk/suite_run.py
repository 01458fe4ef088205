"""``make calls``: the whole suite of real calls, firewall included, in a sandbox of its own.

Trunk kind x transport of the phone x kind of step, Linphone and sipp as phones besides, then what
happens within a call. One line a call; exit status 1 if one of them was not as it shall be.
``python -m tests.asterisk.suite_run WORD…`` makes only those whose names have all the words.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lab.stack import Stack
from peers.tls import authority
from tests.asterisk.moving import moved
from tests.asterisk.suite import MORE_TRUNKS, TRANSPORTS, TRUNKS, Suite, Trunk
from tests.asterisk.suite_steps import STEPS, call
from tests.asterisk.suite_talks import held, long_call

#: Phones beside PJSIP that answer by themselves, so they are rung only. sipp's is UDP.
OTHERS = (("linphone", ("udp", "tcp", "tls")), ("sipp", ("sipp",)))
WITHIN = ("udp", "tcp", "tls")
ROW = "{:<46} {:6.1f} s  {}"


def matrix() -> Iterator[tuple[Trunk, str, str, str]]:
    """Trunk kind, phone, transport, kind of step."""
    for trunk in TRUNKS:
        for transport in TRANSPORTS:
            phone = "iax2" if transport == "iax" else "pjsip"
            yield from ((trunk, phone, transport, step) for step in STEPS)
        for phone, transports in OTHERS:
            for transport in transports:
                yield from ((trunk, phone, transport, step) for step in ("ring", "in turn"))
    for trunk in MORE_TRUNKS:
        yield from ((trunk, "pjsip", "udp", step) for step in STEPS)


def within(suite: Suite) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done within calls, by name."""
    for transport in WITHIN:
        yield f"hold, resume, DTMF / {transport}", partial(held, suite, transport)
        yield f"moves to another network / {transport}", partial(moved, suite, transport)
    yield "session timer", partial(long_call, suite)


@dataclass
class Tally:
    """How many of how many were right."""

    words: list[str]
    done: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        """Whether it was asked for."""
        return all(word in name for word in self.words)

    def make(self, group: str, name: str, part: Callable[[], object]) -> None:
        """Make one call and print how it ended."""
        began, word = time.monotonic(), "ok"
        try:
            told = part()
            word += f", {told:.3g}" if told is not None else ""
            self.done[group] = self.done.get(group, 0) + 1
        except Exception as error:
            self.failed.append(name)
            word = f"FAILED: {error!r}"
        print(ROW.format(name, time.monotonic() - began, word), flush=True)


def run(suite: Suite, tally: Tally) -> None:
    """Make all calls, those of one trunk after those of another."""
    for trunk in (*TRUNKS, *MORE_TRUNKS):
        named = [(" / ".join(one), one) for one in matrix() if one[0] == trunk]
        wanted = [(name, one) for name, one in named if tally.wants(name)]
        if not wanted:
            continue
        with suite.trunk(trunk) as line:
            for name, (_, phone, transport, step) in wanted:
                tally.make("matrix", name, partial(call, suite, line, transport, step, phone))
    for name, part in within(suite):
        if tally.wants(name):
            tally.make("within", name, part)


def main() -> int:
    """Run all; 1 if a call failed."""
    tally = Tally(sys.argv[1:])
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="calls-")))
        root = authority.new_root("The lab's vendors", datetime.now(UTC))
        trusted = folder / "vendors.pem"
        trusted.write_text(root.certificate)
        stack = Stack.start(folder / "stack", DDIWEB_VENDOR_CA_FILE=str(trusted))
        ends.callback(stack.stop)
        suite = Suite(stack, folder, root)
        suite.prepare()
        run(suite, tally)
    right = sum(tally.done.values())
    print(f"{right} of {right + len(tally.failed)} as they shall be: {tally.done}", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
