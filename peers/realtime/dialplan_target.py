"""The dialplan target: what somebody did to the dialplan in force, mended by a reload.

It is the same on every node, so nothing of the panel is rendered for it.
"""

import time
from collections.abc import Callable

from django.conf import settings

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan
from peers.realtime import dialplan, readback
from peers.realtime.actions import Reload
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client

#: What a reload did not mend, as the file itself was changed: no edit waits for that, and the
#: node's page says it (ddiweb/live/restart_notes.py).
_past_help: set[tuple[str, ...]] = set()


class DialplanTarget:
    """The dialplan of one node's Asterisk."""

    name = "dialplan"

    def __init__(self, ami: Callable[[], AmiClient] = ami_client) -> None:
        self._ami = ami

    def hurries(self, node: Node) -> bool:
        """Nothing: no edit changes it."""
        return False

    def hurry(self, node: Node, fence: int) -> None:
        """Nothing."""

    def render(self, node: Node) -> None:
        """Nothing: the reviewed file is what should be."""

    def read(self, node: Node) -> tuple[str, ...]:
        """What is in force and not reviewed, or the reverse; nothing if it can't be asked."""
        if node.dry_run:
            return ()
        try:
            with self._ami() as client:
                found = _differences(client)
        except DeployError:
            return ()
        if not found:
            _past_help.clear()
        return () if found in _past_help else found

    def as_applied(self, node: Node, actual: tuple[str, ...]) -> bool:
        """Whether nothing differs."""
        return not actual

    def diff(self, node: Node, desired: None, actual: tuple[str, ...]) -> Plan:
        """Name each context that differs."""
        return Plan(actual, None)

    def apply(self, node: Node, desired: None, plan: Plan, fence: int) -> None:
        """Have Asterisk read its file again; calls go on in the lines that they began in."""
        with self._ami() as client:
            Reload("pbx_config.so").perform(client)
            deadline = time.monotonic() + readback.PATIENCE
            while left := _differences(client):
                if time.monotonic() > deadline:
                    _past_help.add(left)
                    return
                time.sleep(0.1)

    def verify(self, node: Node, desired: None) -> list[str]:
        """Ask again."""
        return list(self.read(node))

    def restore(self, node: Node, before: tuple[str, ...], fence: int) -> None:
        """Nothing: what was there before was nobody's wish."""

    def shut(self, node: Node, fence: int) -> None:
        """Nothing: no phone depends on it."""

    def settle(self, node: Node, desired: None) -> None:
        """Nothing."""


def _differences(client: AmiClient) -> tuple[str, ...]:
    return dialplan.differences(client, settings.SOUNDS_DIR, settings.NAMES_PORT_ASKED)
