"""chan_iax2 in Asterisk: there while a phone uses it, and not a moment longer."""

import logging
import time
from dataclasses import dataclass

from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.contacts import Contact

log = logging.getLogger(__name__)

MODULE = "chan_iax2.so"


#: Seconds for which chan_iax2 takes an uncached phone for registered (IAX_DEFAULT_REG_EXPIRE).
LASTS = 60


@dataclass(frozen=True)
class Place:
    """Where a phone registered, and when (Unix seconds)."""

    account: str
    address: str
    port: int
    since: int

    def contact(self) -> Contact:
        """Return it as a contact like those of SIP."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return Contact(
            self.account, "", f"iax2:{host}:{self.port}", "IAX2", "", "Registered", None,
            self.since + LASTS,
        )  # fmt: skip

    def lasts(self) -> bool:
        """Whether it is still a registration."""
        return time.time() - self.since <= LASTS

    def __repr__(self) -> str:
        """Hide the name: it is a token."""
        return "Place(…)"


@dataclass(frozen=True)
class Iax:
    """Load the module (``wanted``), or let go of it."""

    wanted: bool

    def perform(self, client: AmiClient) -> None:
        """Do it, unless it is so; raises Retryable or Refused."""
        if is_loaded(client) == self.wanted:
            return
        try:
            client.action("ModuleLoad", Module=MODULE, LoadType="load" if self.wanted else "unload")
        except ActionRefused:
            if self.wanted:
                raise
            # A call of its last phone is still there. Nobody can sign in: there is no row.
            log.warning("%s stays loaded until Asterisk is restarted: it is in use", MODULE)

    def __str__(self) -> str:
        return f"{'load' if self.wanted else 'unload'} {MODULE}"


def parse(text: str) -> Iax | None:
    """Return the action that ``str`` wrote; None for another text."""
    return next((one for one in (Iax(True), Iax(False)) if str(one) == text), None)


def is_loaded(client: AmiClient) -> bool:
    """Whether Asterisk has the module now."""
    try:
        client.action("ModuleCheck", Module=MODULE)
    except ActionRefused:
        return False
    return True
