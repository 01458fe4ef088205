"""The kernel's table of connections: absent is one thing, not to be asked now another."""

import errno
import os
from collections.abc import Iterator

import pytest

from ddiweb.deploy.errors import Retryable
from firewall.agent import conntrack
from firewall.agent.conntrack import Connections


def _failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def ask(*_: object) -> Iterator[bytes]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(conntrack, "ask", ask)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPROTONOSUPPORT, errno.EPERM])
def test_a_kernel_without_the_table_has_no_connections(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _failing(monkeypatch, number)
    connections = Connections()
    assert (connections.there, list(connections.find())) == (False, [])


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EMFILE, errno.EBUSY])
def test_a_table_that_can_not_be_asked_now_is_not_taken_for_empty(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _failing(monkeypatch, number)
    with pytest.raises(Retryable, match="table of connections"):
        list(Connections().find())
