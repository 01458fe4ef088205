"""Toll alarms from Asterisk's own database to the panel's; nothing is lost while ddiweb is down."""

import re
from datetime import UTC, datetime

from ddiweb.deploy.models import Node
from peers.models import TollAlarm
from peers.realtime.ami import AmiClient

#: Where the dialplan notes them (deploy/asterisk/extensions.conf, ``[toll-alarm]``).
FAMILY = "toll/alarm"
_KEY = re.compile(rf"\A/{FAMILY}/([a-z0-9_]{{1,40}})-([a-z]{{1,16}})\Z")
_VALUE = re.compile(r"\A([0-9]{9,11})-([0-9]{1,9})\Z")


def alarms(node: Node, client: AmiClient) -> None:
    """Write what is new of the alarms that Asterisk holds."""
    known = {
        (row.who, row.cap): (row.times, row.last_at) for row in TollAlarm.objects.filter(node=node)
    }
    for message in client.action("DBGetTree", Family=FAMILY):
        key, value = _KEY.match(message.get("Key")), _VALUE.match(message.get("Val"))
        if message.event != "DBGetTreeResponse" or not key or not value:
            continue
        seen = (int(value[2]), datetime.fromtimestamp(int(value[1]), UTC))
        if known.get((key[1], key[2])) != seen:
            TollAlarm.objects.update_or_create(
                node=node,
                who=key[1],
                cap=key[2],
                defaults={"times": seen[0], "last_at": seen[1]},
            )
