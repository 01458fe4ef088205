"""Run the tiers of tests one after the other; one line a tier with its time at the end.

``python -m lab.tiers unit db …``. The exit status is 0 only if no tier failed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS = 5  # pytest's exit status
_SUMMARY = re.compile(r"\A=*\s*(.*?(?:passed|failed|skipped|error|no tests ran).*?) in [0-9.]+s")


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


def run(tier: str) -> Result:
    """Run one tier, showing its output as it comes."""
    print(f"\n--- {tier} ---", flush=True)
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", f"tests/{tier}", "--quiet"]
    argv.append("--color=yes" if sys.stdout.isatty() else "--color=no")
    child = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    assert child.stdout is not None
    for line in child.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    status = child.wait()
    return Result(tier, status, time.monotonic() - began, summary("".join(lines[-40:])))


def main(tiers: Sequence[str]) -> int:
    """Run all of them, also after a failure."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started with "&" by a script. Tests that interrupt their children would wait for ever.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    results = [run(tier) for tier in tiers]
    total = sum(result.seconds for result in results)
    print()
    for result in results:
        print(result.line())
    print(f"{'together':<18} {total:7.1f} s")
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
