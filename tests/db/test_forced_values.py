"""Values forced past the forms, straight into the database: CHECKs or renderers stop them."""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.fields import EncryptedTextField
from firewall import snapshot as rules
from firewall.models import ManagementNetwork
from peers import services
from peers.models import Number, Peer, Token, Trunk, TrunkAddress, TrunkHost, TrunkNetwork
from peers.realtime import snapshot as facts
from peers.realtime.render import render
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOSTILE = {
    "newline": "x\n-A INPUT -j ACCEPT",
    "quote": 'x"; Action: Command',
    "variable": "${SHELL(id)}",
    "comma": "x,0.0.0.0/0",
    "nul": "x\0y",
}
PLACES = [
    (Node, "realm"),
    (Node, "site_prefix"),
    (Trunk, "host"),
    (Trunk, "username"),
    (Trunk, "password"),
    (Trunk, "country"),
    (TrunkNetwork, "cidr"),
    (TrunkHost, "name"),
    (TrunkAddress, "address"),
    (TrunkAddress, "via"),
    (Number, "e164"),
    (Number, "label"),
    (Peer, "name"),
    (Peer, "username"),
    (Token, "value"),
    (ManagementNetwork, "cidr"),
]
#: Text that reaches Asterisk as it is, and in which this character is only a character.
HARMLESS = {("password", "comma"), ("password", "quote")}


@pytest.fixture
def node() -> Node:
    made = factories.node()
    phone = factories.peer(made)
    services.peer_created(phone)
    vendor = factories.trunk(
        made, "203.0.113.20/32", register=True, host="sip.example.net", username="u", password="p"
    )
    TrunkAddress.objects.create(
        host=factories.host(vendor, "sip.example.org"), address="203.0.113.21",
        first_seen=timezone.now(), last_seen=timezone.now(),
    )  # fmt: skip
    factories.number(vendor, "+442079460123", phone, label="London")
    factories.management(made, "198.51.100.0/28")
    return made


def force(model: type[Model], field: str, value: str) -> None:
    """Write ``value`` into every row, past Django's own checks."""
    if isinstance(model._meta.get_field(field), EncryptedTextField):
        model._default_manager.update(**{field: value})
        return
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {field} = %s", [value])  # noqa: S608


def everything(node: Node) -> list[str]:
    """Every text in the rows and rules of the node, or Refused."""
    node.refresh_from_db()
    snapshot, _ = facts.take(node)
    texts = [text for row in render(snapshot).rows for text in (row.id, *row.values)]
    return texts + list(_texts(rules.take(node).to_json()))


def _texts(value: object) -> Iterator[str]:
    """The texts in plain JSON values, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def test_the_same_node_without_hostile_values_is_rendered(node: Node) -> None:
    assert any("442079460123" in text for text in everything(node))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize(
    ("model", "field"), PLACES, ids=lambda part: getattr(part, "__name__", part)
)
def test_a_hostile_value_forced_into_the_database_is_never_rendered(
    node: Node, model: type[Model], field: str, kind: str
) -> None:
    value = HOSTILE[kind]
    try:
        with transaction.atomic():
            force(model, field, value)
    except (IntegrityError, DatabaseError, ValueError):
        return  # the database itself refused it
    try:
        texts = everything(node)
    except Refused as error:
        assert str(error)
    else:
        # Whole values, not their repr: that would hide a newline.
        carried = [text for text in texts if value in text]
        assert (field, kind) in HARMLESS or carried == []
