"""Restarting Asterisk over AMI, and what only its CLI tells. Pure but for the client it is given.

AMI has no action of its own for a restart; the CLI command needs the class ``command``, so an
account exists for it alone (deploy/asterisk/manager.conf). Only the commands below are ever sent.
"""

import contextlib
import hashlib
import hmac
import re
from enum import StrEnum

from ddiweb.deploy.errors import Retryable
from peers.realtime.ami import AmiClient

#: Seconds in which a refusal comes.
HEARD = 0.3
_PORT = re.compile(r"\A\s*Port (start|end):\s+([0-9]{1,5})\s*\Z")


class Order(StrEnum):
    """What Asterisk may be told (main/asterisk.c).

    ``QUIET`` lets calls begin and end as they like, and restarts in the first second without one;
    ``gracefully`` would refuse new calls until then. ``NOW`` cuts calls.
    """

    QUIET = "core restart when convenient"
    NOW = "core restart now"
    ABORT = "core abort shutdown"


def restart_secret(secret: str) -> str:
    """The secret of the account for restarts, made of the other's: there is no second one to keep.

    It parts what a mistake could do, not what a thief of the first secret could.
    """
    return hmac.new(secret.encode(), b"ddiweb restart", hashlib.sha256).hexdigest()


def order(client: AmiClient, what: Order) -> None:
    """Give an order; Asterisk answers QUIET only when it has been carried out, so nobody waits.

    Raises Refused if it may not be given.
    """
    with contextlib.suppress(Retryable):  # NOW ends the connection
        client.post("Command", HEARD, Command=what.value)


def rtp_range(client: AmiClient) -> tuple[int, int] | None:
    """The UDP ports that Asterisk takes for audio now; None if it does not say."""
    found = {}
    for message in client.action("Command", Command="rtp show settings"):
        for name, line in message.fields:
            if name == "Output" and (match := _PORT.fullmatch(line)):
                found[match[1]] = int(match[2])
    return (found["start"], found["end"]) if len(found) == 2 else None


def started_at(client: AmiClient) -> int:
    """When Asterisk was started (Unix seconds), by the account that listens; 0 if it can't be told.

    CoreStatus tells it as a wall clock without a zone, so Asterisk itself has to read that.
    """
    said = client.action("CoreStatus")[0]
    date, time = said.get("CoreStartupDate"), said.get("CoreStartupTime")
    asked = f"STRPTIME({date} {time},,%Y-%m-%d %H:%M:%S)"
    value = client.action("Getvar", Variable=asked)[0].get("Value")
    return int(value) if value.isascii() and value.isdecimal() else 0
