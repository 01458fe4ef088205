"""One figure beside what it is compared with, and how a run is written down."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """``value`` in ``unit``, measured ``runs`` times, ``against`` a competitor in the same run.

    ``ratio`` is the competitor's figure divided by ours (above 1: ours is smaller), ``goal`` what
    was asked for, in words.
    """

    name: str
    value: float
    unit: str
    against: str
    ratio: float
    goal: str
    runs: int


def p95(values: Sequence[float]) -> float:
    """The 95th percentile of at least 20 values (nearest rank)."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def write(results: Sequence[Result], path: Path) -> None:
    """Write ``results`` as JSON for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def table(results: Sequence[Result]) -> str:
    """Return ``results`` for people."""
    lines = [f"{'name':<34}{'value':>10} {'unit':<5}{'ratio':>8}  {'against':<34}goal"]
    lines += [
        f"{one.name:<34}{one.value:>10.3g} {one.unit:<5}{one.ratio:>8.3g}  {one.against:<34}"
        f"{one.goal}"
        for one in results
    ]
    return "\n".join(lines)
