"""What the guard of a node says where it can't hear."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import LazySettings

from ddiweb.live.guard import Guard

pytestmark = pytest.mark.db


@pytest.mark.parametrize(("iax_port", "readable"), [(4569, False), (0, False), (4569, True)])
def test_it_says_that_nobody_is_banned_where_asterisks_log_can_t_be_read(
    settings: LazySettings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    iax_port: int,
    readable: bool,
) -> None:
    path = tmp_path / "messages"
    if readable:
        path.touch()
    settings.ASTERISK_LOG = str(path)
    ended = threading.Event()
    ended.set()
    sentry: Any = SimpleNamespace(node=SimpleNamespace(iax_port=iax_port))
    client: Any = None
    Guard("london", ended)._hold(client, sentry)
    assert ("can't be read" in caplog.text) is (bool(iax_port) and not readable)
