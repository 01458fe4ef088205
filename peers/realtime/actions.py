"""The AMI actions that a deployment may need, as typed values, and how they are done."""

import json
import re
import time
from dataclasses import dataclass

from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.redact import redacted
from peers.realtime import iax
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.contacts import Contact, contacts

_AOR = re.compile(r"\A[A-Za-z0-9_.-]{1,64}\Z")
_KEY = re.compile(r"\A[A-Za-z0-9_.-]{1,64};@[0-9a-f]{32}\Z")
#: Where Asterisk keeps contacts (res_pjsip/location.c on res_sorcery_astdb.c).
FAMILY = "registrar/contact"
#: Seconds in which the registrar must have ended an expired contact.
GONE_WITHIN = 4.0
#: Longer addresses would not fit into one line of AMI (1024 bytes).
URI_MAX = 600
#: The only modules that may be reloaded; each was shown to leave calls in progress alone.
MODULES = frozenset({"res_pjsip.so", "res_pjsip_outbound_registration.so", "pbx_config.so"})


@dataclass(frozen=True)
class Reload:
    """Reload one module of the list."""

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
        """Begin it, the target's read-back waits for the end; raises Retryable or Refused."""
        remove_contacts(client, self.aor, wait=False)

    def __str__(self) -> str:
        return f"remove contacts of {self.aor}"


Action = Reload | RemoveContacts | iax.Iax


def parse_action(text: str) -> Action:
    """Return the action that ``str`` wrote; raises Refused for anything else."""
    if text.startswith("reload "):
        return Reload(text.removeprefix("reload "))
    if text.startswith("remove contacts of "):
        return RemoveContacts(text.removeprefix("remove contacts of "))
    module = iax.parse(text)
    if module is not None:
        return module
    raise Refused("realtime database: holds an action that is unknown here; update ddiweb")


def list_contacts(client: AmiClient) -> tuple[Contact, ...]:
    """Return all contacts that Asterisk holds; none is an Error to PJSIPShowContacts, not to us."""
    try:
        return contacts(client.action("PJSIPShowContacts"))
    except ActionRefused as error:
        if "No Contacts found" in str(error):
            return ()
        raise


def remove_contacts(
    client: AmiClient, aor: str, user_agent_contains: str | None = None, *, wait: bool = True
) -> tuple[str, ...]:
    """Make Asterisk forget the contacts of ``aor``; return the keys of those that are gone.

    With ``user_agent_contains``, only contacts that carry that text: in the User-Agent, or anywhere
    else in what the phone registered. Harmless when there are none.

    Asterisk has no such action, and deleting the key from its database is not enough: it would go
    on sending OPTIONS to the phone. So the contact's expiry is set to the past, and Asterisk's own
    registrar then ends it, qualify included, within ``contact_expiration_check_interval`` (1 s,
    deploy/asterisk/pjsip.conf). Waits for that, unless told not to; raises Retryable if it takes
    too long.
    """
    RemoveContacts(aor)  # checks the name
    ended = []
    for key, value in _stored(client, aor):
        if user_agent_contains is None or user_agent_contains in value:
            client.action("DBPut", Family=FAMILY, Key=key, Val=_expired(aor, value))
            ended.append(key)
    deadline = time.monotonic() + GONE_WITHIN
    while wait and ended and _still_there(client, aor, ended):
        if time.monotonic() > deadline:
            raise Retryable(f"remove contacts of {redacted(aor)}: Asterisk has not ended them yet")
        time.sleep(0.1)
    return tuple(ended)


def _stored(client: AmiClient, aor: str) -> list[tuple[str, str]]:
    """Return the keys and JSON values of the aor's contacts in Asterisk's own database."""
    found = []
    for message in client.action("DBGetTree", Family=FAMILY):
        key = message.get("Key").removeprefix(f"/{FAMILY}/")
        ours = _KEY.fullmatch(key) and key.partition(";@")[0] == aor
        if message.event == "DBGetTreeResponse" and ours:
            found.append((key, message.get("Val")))
    return found


def _still_there(client: AmiClient, aor: str, ended: list[str]) -> bool:
    return any(key in ended and _expires(value) == 1 for key, value in _stored(client, aor))


def _expires(value: str) -> int:
    try:
        return int(json.loads(value)["expiration_time"])
    except (ValueError, TypeError, KeyError):
        return 1


def _expired(aor: str, value: str) -> str:
    """Return the smallest contact that the registrar can end: its own address, long expired."""
    try:
        uri = str(json.loads(value)["uri"])
    except (ValueError, TypeError, KeyError):
        uri = ""
    if not uri or len(uri) > URI_MAX:
        uri = "sip:gone@127.0.0.1"
    return json.dumps({"uri": uri, "endpoint": aor, "expiration_time": "1"})
