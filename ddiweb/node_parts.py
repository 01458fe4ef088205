"""Reach the parts of this machine's node from a command, in the sandbox's namespace too."""

import functools
import json
import socket

from django.conf import settings

from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client as plain_client


def sandbox_runs() -> bool:
    """Whether ``make run`` runs from this folder, with namespaces."""
    try:
        state = json.loads((settings.VAR_DIR / "run" / "sandbox.json").read_text())
    except (OSError, ValueError):
        return False
    return not state.get("dry_run", True)


def ami_client() -> AmiClient:
    """A client for this node's Asterisk; the sandbox's lives in a namespace of its own."""
    connect = socket.create_connection
    if sandbox_runs():
        from lab import reach
        from lab.world import World

        world = World.attach(settings.VAR_DIR / "sandbox" / "world")
        connect = functools.partial(reach.connect, world.ns["srv"])
    return plain_client(connect=connect)
