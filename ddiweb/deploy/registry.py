"""The targets of a node, in the order in which they are applied.

Sounds before the rows that name them. Ports before rows: IAX2 binds its own when the first row of
it is told. Rows before rules: a phone that is let in finds its account, and a phone that is cut off
has lost its contact before its flow is forgotten (docs/adr/0003).
"""

from collections.abc import Sequence

from django.utils.module_loading import import_string

from ddiweb.deploy.target import Target

#: A new target is one file and one line here.
PATHS = (
    "peers.sounds.target.SoundsTarget",
    "peers.realtime.ports_target.PortsTarget",
    "peers.realtime.dialplan_target.DialplanTarget",
    "peers.realtime.target.RealtimeTarget",
    "peers.tls.target.TlsTarget",
    "firewall.target.FirewallTarget",
)


def targets() -> Sequence[Target]:
    """Fresh targets, wired by this node's settings."""
    return [import_string(path)() for path in PATHS]
