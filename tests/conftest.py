"""What all tiers share: a tier that can't run here says so, and fails where CI counts on it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.stack import Stack

TIERS = ("unit", "db", "contracts", "kernel", "asterisk", "browser", "chaos")
NEEDS_NAMESPACES = {"kernel", "asterisk", "chaos"}


def _missing(tier: str) -> str | None:
    """What this machine lacks for ``tier``, in one line, or None."""
    if tier in NEEDS_NAMESPACES:
        from lab import world

        return world.available()
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder; skip a tier that can't run, unless CI counts on it."""
    lacking: dict[str, str | None] = {}
    for item in items:
        tier = Path(str(item.path)).relative_to(Path(__file__).parent).parts[0]
        if tier not in TIERS:
            continue
        item.add_marker(tier)
        if tier not in lacking:
            lacking[tier] = _missing(tier)
        if lacking[tier] and os.environ.get("CI") != "true":
            item.add_marker(pytest.mark.skip(reason=f"tier {tier} can't run: {lacking[tier]}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        width = shutil.get_terminal_size().columns
        terminalreporter.write_line("!" * min(width, 80), yellow=True)
        terminalreporter.write_line(f"{len(skipped)} tests did NOT run; see above", yellow=True)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole of ddiweb, running in a scratch folder; shared, so leave it as it was found."""
    running = Stack.start(tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()
