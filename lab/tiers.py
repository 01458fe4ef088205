"""Run the tiers of tests in three lanes; one line a tier with its time at the end.

``python -m lab.tiers unit db …``. The exit status is 0 only if no tier failed. Most of a test's
time is waiting, for the kernel, Asterisk or a clock, so three lanes take a third on two cores.
Each lane takes the next tier, the longest first; what only computes makes way for what is timed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANES = 3
LONGEST_FIRST = ("kernel", "asterisk", "db", "chaos", "browser", "unit", "contracts")
#: Tiers in which nothing depends on the time.
PATIENT = frozenset({"unit", "db", "contracts"})
NO_TESTS = 5  # pytest's exit status
_SUMMARY = re.compile(r"\A=*\s*(.*?(?:passed|failed|skipped|error|no tests ran).*?) in [0-9.]+s")

_printing = threading.Lock()


@dataclass(frozen=True)
class Result:
    """How one tier went."""

    tier: str
    status: int
    seconds: float
    summary: str

    @property
    def good(self) -> bool:
        """Whether tests ran and none failed; a tier without tests proves nothing."""
        return self.status == 0

    def line(self) -> str:
        """The tier in one line."""
        word = "ok" if self.status == 0 else "empty" if self.status == NO_TESTS else "FAILED"
        return f"{self.tier:<10} {word:<7} {self.seconds:7.1f} s  {self.summary}"


def summary(output: str) -> str:
    """Return pytest's counts from its last lines."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    found = [match[1] for line in plain.splitlines() if (match := _SUMMARY.match(line.strip()))]
    return found[-1] if found else ""


def run(tier: str) -> tuple[Result, str]:
    """Run one tier; returns how it went and what it said."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", f"tests/{tier}", "--quiet"]
    argv.append("--color=yes" if sys.stdout.isatty() else "--color=no")
    if tier in PATIENT:
        argv = ["nice", "-n", "10", *argv]
    done = subprocess.run(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.monotonic() - began
    last = "\n".join(done.stdout.splitlines()[-40:])
    return Result(tier, done.returncode, seconds, summary(last)), done.stdout


def run_and_show(tier: str) -> Result:
    """Run a tier and show it as a whole when it has ended."""
    with _printing:
        print(f"--- {tier} began", flush=True)
    result, output = run(tier)
    with _printing:
        print(f"\n--- {tier} ---\n{output}", flush=True)
    return result


def in_order(tiers: Iterable[str]) -> list[str]:
    """The tiers in the order in which lanes take them; one that is not known comes first."""
    known = {tier: place for place, tier in enumerate(LONGEST_FIRST)}
    return sorted(tiers, key=lambda tier: known.get(tier, -1))


def main(tiers: Sequence[str]) -> int:
    """Run all of them, also after a failure."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started with "&" by a script. Tests that interrupt their children would wait for ever.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    with ThreadPoolExecutor(LANES) as pool:
        found = {result.tier: result for result in pool.map(run_and_show, in_order(tiers))}
    print()
    for tier in tiers:
        print(found[tier].line())
    print(f"{'together':<18} {time.monotonic() - began:7.1f} s")
    return 0 if all(result.good for result in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
