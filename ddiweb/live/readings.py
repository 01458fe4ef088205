"""The lists that the watch reads, each from Asterisk into the database."""

from django.conf import settings
from django.db.models import Count

from ddiweb.deploy.models import Node
from ddiweb.live import record, record_state
from ddiweb.live.models import TrunkState
from peers.models import Trunk
from peers.realtime import trunk_states
from peers.realtime.actions import list_contacts
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.ami_message import Message
from peers.realtime.channels import channels as parsed_channels
from peers.realtime.store import open_store
from peers.realtime.trunk_states import Reach, Registered
from peers.realtime.trunks import endpoint_names


def contacts(node: Node, client: AmiClient) -> None:
    """Phones that are registered."""
    found = list_contacts(client)
    if node.iax_port:
        store = open_store(settings.REALTIME_URL, "reader")
        found += tuple(place.contact() for place in store.places() if place.lasts())
        store.close()
    record.contacts(node, found)


def channels(node: Node, client: AmiClient) -> None:
    """Calls that are up."""
    record_state.channels(node, parsed_channels(client.action("CoreShowChannels")))


def trunks(node: Node, client: AmiClient) -> None:
    """Whether vendors answer; how they are registered stays as it was."""
    known = {
        row.endpoint: Registered(row.registration, tuple(row.refusing_hosts))  # type: ignore[arg-type]  # choices
        for row in TrunkState.objects.filter(node=node)
    }
    _trunks(node, client, known)


def registrations(node: Node, client: AmiClient) -> None:
    """How vendors are registered, and whether they answer.

    Not for a clock: Asterisk reads its rows anew for this list, and shows passwords in it.
    """
    found = trunk_states.registrations(_answer(client, "PJSIPShowRegistrationsOutbound"))
    _trunks(node, client, {key: trunk_states.best(names, found) for key, names in _hosts(node)})


def _trunks(node: Node, client: AmiClient, known: dict[str, Registered]) -> None:
    seen: dict[str, tuple[Registered, Reach]] = {}
    hosts = dict(_hosts(node))
    for trunk in Trunk.objects.filter(node=node, enabled=True):
        answer = [
            message
            for name in (hosts.get(trunk.key, ()) if trunk.qualify else ())
            for message in _answer(client, "PJSIPShowEndpoint", Endpoint=name)
        ]
        registered = known.get(trunk.key) if trunk.register else None
        seen[trunk.key] = registered or Registered(), trunk_states.reach(answer)
    record_state.trunks(node, seen)


def _hosts(node: Node) -> list[tuple[str, tuple[str, ...]]]:
    """Each trunk's key, with the endpoints of its hosts: one that answers is enough."""
    rows = Trunk.objects.filter(node=node, enabled=True).annotate(further=Count("servers"))
    return [(trunk.key, endpoint_names(trunk.key, 1 + trunk.further)) for trunk in rows]


def _answer(client: AmiClient, action: str, **fields: str) -> list[Message]:
    """The answer; nothing for what Asterisk does not know, because rows may be on their way."""
    try:
        return client.action(action, **fields)
    except ActionRefused:
        return []
