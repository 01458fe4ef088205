"""One stack that is treated badly, for all tests that do so."""

from collections.abc import Iterator

import pytest

from lab.stack import Stack


@pytest.fixture(scope="session")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: it is treated badly."""
    running = Stack.start(tmp_path_factory.mktemp("frail"))
    yield running
    running.stop()
