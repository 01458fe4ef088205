"""The sandbox's Asterisk."""

from __future__ import annotations

from lab.keys import Places
from lab.process import Namespace
from lab.supervise import Service


def services(where: Places, settings: dict[str, str], ns: Namespace) -> list[Service]:
    """Return what must run before the node can be deployed to."""
    return []
