"""Call attempts whose names, numbers and headers were written by an enemy.

``python -m tests.asterisk.hostile --calls 1000`` starts an Asterisk of its own, lets some harmless
calls show which ways through the dialplan there are, sends hostile ones from a vendor's address
(and every tenth from a stranger's), and looks at what came of them: no way that is new, a whole
record of each call, no line of a log and no AMI event that was forged. It prints one JSON line and
ends with 0 only if all of that is so.
"""

import argparse
import contextlib
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddiweb.deploy.errors import Refused
from lab.errors import LabError
from lab.process import wait_until
from lab.stack import ROOT
from lab.vendor import FIRST
from peers.realtime import cdr
from peers.realtime.store import open_store
from tests.asterisk.conftest import LONDON, Bench, bench_on, snapshot

STRANGER = "203.0.113.66"
#: Stands in every text that would be read as something else, so that it is found again.
MARK = "forged8c1"
# fmt: off
SEEDS = (
    f"\r\nEvent: {MARK}\r\nUserField: 1\r\n\r\n",
    f"\n[2026-11-24 20:00:00.000] ERROR[1] {MARK}: nothing",
    f"\n    -- Executing [s@{MARK}:1] System(\"x\", \"y\") in new stack\n",
    f"%0d%0aEvent: {MARK}%0d%0a",
    f"%0A[2026-11-24 20:00:00.000] NOTICE[1] {MARK}: x%0A", "%00", "\0",
    "${SHELL(id)}", "${EXTEN}", "$[1+1]", "${DB_DELETE(a/b)}", "${GLOBAL(x)}", "\\", "\\n",
    '"', "'", ",s,1", "&PJSIP/trunk_2/sip:900@203.0.113.21", ")", "((", "}", "]", ";", "|", "^",
    "~~", "@", "<>", "' OR 1=1 --", '"; DROP TABLE ddi_numbers; --', "%s%n%x", "\x1b[31m",
    "\x1b]0;x\x07", "\x7f", "\x9b", "=cmd|' /C calc'!A0", "<script>alert(1)</script>",
    "\xe2\x80\xae", "\xf0\x9f\x93\x9e", "\xc3\x28", "\xff\xfe", "A" * 70, "9" * 300,
    "x" * 2000, "+" * 40, "*#", "sip:", "anonymous", "unknown", "",
)
# fmt: on
SDP = (
    "v=0\r\no=- 1 1 IN IP4 203.0.113.20\r\ns=-\r\nc=IN IP4 203.0.113.20\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)
_BANNER = re.compile(r"\A\[[0-9 :.-]+\] Asterisk [0-9]")
_EXECUTING = re.compile(r'Executing \[(.*)@([\w-]+):(\d+)\] (\w+)\("(PJSIP/[\w.-]+)", ')
Way = tuple[tuple[str, str, str], ...]


class Enemy:
    """Writes the text of call attempts; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def words(self, harmless: str) -> str:
        """Something hostile, at times around something harmless."""
        parts = self.dice.choices(SEEDS, k=self.dice.choice((1, 1, 2, 3)))
        parts.insert(self.dice.randrange(len(parts) + 1), self.dice.choice(("", harmless)))
        return "".join(parts)

    def escaped(self, harmless: str) -> str:
        """The same, written so that a URI holds it: a strict parser lets it in."""
        kept = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_.!~*'()"
        if self.dice.random() < 0.3:
            return self.words(harmless)
        return "".join(c if c in kept else f"%{ord(c):02x}" for c in self.words(harmless))

    def quoted(self) -> str:
        """A display name, with quotes that end where they should in most cases."""
        name = self.words("Ann")
        if self.dice.random() < 0.8:
            name = re.sub(r'(["\\])', r"\\\1", name).replace("\r", "").replace("\n", "")
        return f'"{name}" '

    def invite(self, name: str, address: str) -> str:
        """One INVITE. Each of its parts is hostile in some of them."""
        pick = self.dice.random
        called = LONDON if pick() < 0.6 else self.escaped(LONDON)
        caller = "+441632960111" if pick() < 0.3 else self.escaped("+441632960111")
        shown = self.quoted() if pick() < 0.7 else ""
        headers = {
            "P-Asserted-Identity": f"{self.quoted()}<sip:{self.escaped('1')}@{address}>",
            "Remote-Party-ID": f"{self.quoted()}<sip:{self.escaped('1')}@x>;party=calling",
            "Diversion": f"<sip:{self.escaped('2')}@x>;reason={self.words('busy')}",
            "User-Agent": self.words("Phone"),
            "Subject": self.words("hello"),
            "X-DDI": self.words("1"),
            "Reason": f"Q.850;cause={self.words('16')};text={self.words('x')}",
            "Replaces": f"{self.words('x')};to-tag=1;from-tag=2",
            "Privacy": self.words("id"),
            "Call-Info": f"<sip:{self.escaped('c')}@x>;answer-after=0",
        }
        extra = [f"{key}: {headers[key]}" for key in headers if pick() < 0.2]
        call_id = f"{name}-{self.words('')}" if pick() < 0.15 else f"{name}@{address}"
        tag = self.words("1") if pick() < 0.1 else "1"
        return "\r\n".join(
            [
                f"INVITE sip:{called}@203.0.113.10 SIP/2.0",
                f"Via: SIP/2.0/UDP {address}:5060;branch=z9hG4bK{name};rport",
                "Max-Forwards: 70",
                f"From: {shown}<sip:{caller}@{address}>;tag={tag}",
                f"To: <sip:{called}@203.0.113.10>",
                f"Call-ID: {call_id}",
                "CSeq: 1 INVITE",
                f"Contact: <sip:{self.escaped('v') if pick() < 0.2 else 'v'}@{address}:5060>",
                *extra,
                "Content-Type: application/sdp",
                f"Content-Length: {len(SDP)}",
                "",
                SDP,
            ]
        )


def plain(name: str, address: str, called: str, caller: str, header: str = "From") -> str:
    """A harmless INVITE; the vendor says who calls in From, or in a header of its own, too."""
    said = [] if header == "From" else [f"{header}: <sip:{caller}@{address}>"]
    return "\r\n".join(
        [
            f"INVITE sip:{called}@203.0.113.10 SIP/2.0",
            f"Via: SIP/2.0/UDP {address}:5060;branch=z9hG4bK{name};rport",
            "Max-Forwards: 70",
            f"From: <sip:{caller}@{address}>;tag=1",
            f"To: <sip:{called}@203.0.113.10>",
            f"Call-ID: {name}@{address}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:v@{address}:5060>",
            *said,
            "Content-Type: application/sdp",
            f"Content-Length: {len(SDP)}",
            "",
            SDP,
        ]
    )


@dataclass
class Outcome:
    """What came of the attempts; ``faults`` is to be empty."""

    calls: int
    answered: dict[int, int] = field(default_factory=dict)
    channels: int = 0
    records: int = 0
    ways: int = 0
    faults: list[str] = field(default_factory=list)


def attempt(bench: Bench, place: str, address: str, texts: dict[str, str]) -> dict[str, int]:
    """Send the requests from ``address``; their final statuses."""
    line = [sys.executable, "-m", "tests.asterisk.callers", address]
    wishes = "".join(json.dumps({"id": k, "text": v}) + "\n" for k, v in texts.items())
    done = bench.world.run(
        place, line, input=wishes, timeout=60 + len(texts), env={"PYTHONPATH": str(ROOT)}
    )
    ends = [json.loads(one) for one in done.stdout.splitlines()]
    return {one["id"]: one["status"] for one in ends}


def ways(log: str) -> dict[str, Way]:
    """The way that each channel took: context, priority, application, step by step.

    Without its first context, whose lines repeat what was called: Asterisk writes no JSON of a
    message that is not UTF-8, and leaves it out.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in log.split("\n"):
        if line.startswith("VERBOSE pbx.c: Executing ["):
            step = _EXECUTING.search(line)
            if step is None:
                found[line] = [("?", "", "")]  # a way that is new
            elif step[2] != "from-trunk":
                found.setdefault(step[5], []).append((step[2], step[3], step[4]))
    return {channel: tuple(steps) for channel, steps in found.items()}


def run(bench: Bench, calls: int, seed: int) -> Outcome:
    """Send ``calls`` hostile attempts and judge what came of them."""
    outcome, enemy = Outcome(calls), Enemy(seed)
    called = (
        *(LONDON, f"+{LONDON}", f"00{LONDON}", "999999999", "00999999", "0207946", "12", "1", "0"),
        *("00", "000", "+", "++++", "+0", "ddi", "x"),
    )
    callers = ("+441632960111", "01632960111", "0044163", "none", "1")
    known = itertools.product(called, callers, ("From", "P-Asserted-Identity"))
    harmless = {f"k{n}": plain(f"k{n}", FIRST, *one) for n, one in enumerate(known)}
    attempt(bench, "vendor", FIRST, harmless)
    pid, before = bench.pbx.pid, ways(bench.pbx.log("console.log"))
    already = len(bench.pbx.plan.spool.read_bytes().splitlines())
    with bench.pbx.client(events=True) as client:
        for place, address, count in (
            ("vendor", FIRST, calls - calls // 10),
            ("attacker", STRANGER, calls // 10),
        ):
            names = [f"{place[0]}{seed}x{n}" for n in range(count)]
            texts = {name: enemy.invite(name, address) for name in names}
            for status in attempt(bench, place, address, texts).values():
                outcome.answered[status] = outcome.answered.get(status, 0) + 1
            while (event := client.next_event(0.2)) is not None:
                if MARK in event.event or any(MARK in name for name, _ in event.fields):
                    outcome.faults.append(f"a forged AMI event: {event.fields[:3]}")
    _judge(bench, outcome, already, before)
    if bench.pbx.pid != pid or not bench.pbx.alive():
        outcome.faults.append("Asterisk ended")
    probe = attempt(
        bench, "vendor", FIRST, {f"p{seed}": plain(f"p{seed}", FIRST, LONDON, "+44163")}
    )
    if set(probe.values()) != {480}:
        outcome.faults.append(f"a harmless call after them: {probe}")
    return outcome


def _judge(bench: Bench, outcome: Outcome, already: int, before: dict[str, Way]) -> None:
    """Look at console, records and logs."""
    every = ways(bench.pbx.log("console.log"))
    taken = {channel: way for channel, way in every.items() if channel not in before}
    outcome.channels, outcome.ways = len(taken), len(set(taken.values()))
    if not taken:
        outcome.faults.append("no attempt reached the dialplan")
    new = set(taken.values()) - set(before.values())
    outcome.faults += [f"a new way: {way}" for way in new]

    def lines() -> list[bytes]:
        return bench.pbx.plan.spool.read_bytes().splitlines()[already:]

    with contextlib.suppress(LabError):
        wait_until(lambda: len(lines()) >= outcome.channels, 10, "all records are there")
    for line in lines():
        try:
            record = cdr.parse(line)
        except Refused as error:
            outcome.faults.append(f"a broken record: {error}: {line[:200]!r}")
            continue
        outcome.records += 1
        if record.trunk != "trunk_1" or not re.fullmatch(r"[0-9]*", record.number):
            outcome.faults.append(f"a strange record: {record}")
    if outcome.records != outcome.channels:
        outcome.faults.append(f"{outcome.records} records of {outcome.channels} calls")
    outcome.faults += [f"a forged line: {line[:120]}" for line in _forged(bench)]


def _forged(bench: Bench) -> Iterator[str]:
    """Lines of the logs that are no whole message of Asterisk's own."""
    for name in ("messages.log", "security.log"):
        for line in filter(None, bench.pbx.log_lines(name)):
            try:
                said = json.loads(line)
                own = set(said) == {"hostname", "timestamp", "identifiers", "logmsg"}
            except ValueError:
                own = bool(_BANNER.match(line))
            if not own:
                yield f"{name}: {line}"


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ddiweb-hostile-") as text:
        url = f"sqlite:///{text}/realtime.sqlite3"
        with bench_on(Path(text), open_store(url), url) as bench:
            bench.apply(snapshot())
            outcome = run(bench, given.calls, given.seed)
    shown: dict[str, Any] = vars(outcome) | {"seconds": round(time.monotonic() - begun, 1)}
    print(json.dumps(shown | {"faults": outcome.faults[:20]}))
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
