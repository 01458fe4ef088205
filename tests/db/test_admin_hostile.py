"""Hostile values are refused at every text field of every form: field, fault and remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django import forms
from django.test import Client

from ddiweb.deploy.models import Deployment, Node
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]

#: A name in the panel is text for people: what Asterisk would misread is refused, a note's is not.
FREE_TEXT = {"quote", "variable", "comma", "semicolon"}


@dataclass(frozen=True)
class Sink:
    """One text field of one form."""

    url: str
    field: str
    form: Callable[[Node], dict[str, Any]]
    allowed: frozenset[str] = frozenset()


def _number(node: Node) -> dict[str, Any]:
    return panel.number_form(factories.trunk(node), panel.step([factories.peer(node)]))


def _forward(node: Node) -> dict[str, Any]:
    step = panel.step(kind="forward") | {"forward_to": "+441632960555"}
    return panel.number_form(factories.trunk(node), step)


def _management(node: Node) -> dict[str, Any]:
    return {"node": node.pk, "cidr": "198.51.100.0/28", "note": ""}


def _service(node: Node) -> dict[str, Any]:
    form = {"node": node.pk, "protocol": "tcp", "first": "443", "last": "443", "note": ""}
    return form | {"network": "198.51.100.0/24", "expires_at_0": "", "expires_at_1": ""}


def _exception(node: Node) -> dict[str, Any]:
    return _management(node) | {"expires_at_0": "", "expires_at_1": ""}


def _ban(node: Node) -> dict[str, Any]:
    return {"node": node.pk, "cidr": "198.51.100.7", "reason": "abuse", "seconds": "", "note": ""}


def _trunk(node: Node) -> dict[str, Any]:
    form = panel.trunk_form(node, (None, "203.0.113.20"), username="vendor", host="sip.example")
    form |= panel.servers(("sip2.example.net", 5060, 1))
    return form | panel.hosts((None, "sip.example.net", "address"))


def _node(_: Node) -> dict[str, Any]:
    return panel.node_form()


SINKS = [
    *(Sink("/deploy/node/add/", name, _node) for name in ("slug", "realm", "public_ipv4")),
    *(
        Sink("/deploy/node/add/", name, _node)
        for name in ("public_ipv6", "sip_domain", "countries")
    ),
    Sink("/deploy/node/add/", "name", _node, frozenset(FREE_TEXT)),
    *(
        Sink("/peers/trunk/add/", name, _trunk)
        for name in (
            "name",
            "host",
            "username",
            "password",
            "country",
            "proxy",
            "from_domain",
            "prefix_in",
            "prefix_out",
            "national_prefix",
            "international_prefix",
            "servers-0-host",
            "networks-0-cidr",
            "hosts-0-name",
        )
    ),
    Sink("/peers/trunk/add/", "networks-0-note", _trunk, frozenset(FREE_TEXT)),
    Sink("/peers/trunk/add/", "hosts-0-note", _trunk, frozenset(FREE_TEXT)),
    *(Sink("/peers/peer/add/", name, panel.peer_form) for name in ("name", "username", "password")),
    *(Sink("/peers/number/add/", name, _number) for name in ("e164", "last", "label")),
    Sink("/peers/number/add/", "steps-0-forward_to", _forward),
    Sink("/firewall/allowedservice/add/", "network", _service),
    Sink("/firewall/allowedservice/add/", "note", _service, frozenset(FREE_TEXT)),
    Sink("/firewall/addressexception/add/", "cidr", _exception),
    Sink("/firewall/addressexception/add/", "note", _exception, frozenset(FREE_TEXT)),
    Sink("/firewall/managementnetwork/add/", "cidr", _management),
    Sink("/firewall/managementnetwork/add/", "note", _management, frozenset(FREE_TEXT)),
    Sink("/firewall/ban/add/", "cidr", _ban),
    Sink("/firewall/ban/add/", "note", _ban, frozenset(FREE_TEXT)),
]
CASES = [
    pytest.param(sink, value, id=f"{sink.url}{sink.field} {kind}")
    for sink in SINKS
    for kind, value in panel.HOSTILE.items()
    if kind not in sink.allowed
]


def errors_of(response: Any, field: str) -> list[str]:
    """The messages at ``field``, in the form or in an inline (``networks-0-cidr``)."""
    context = response.context
    if field in context["adminform"].form.errors:
        return list(context["adminform"].form.errors[field])
    prefix, _, rest = field.partition("-")
    for inline in context["inline_admin_formsets"]:
        if inline.formset.prefix == prefix:
            index, _, name = rest.partition("-")
            return list(inline.formset.errors[int(index)].get(name, []))
    return []


@pytest.fixture
def admin() -> Client:
    return panel.client()


@pytest.mark.parametrize(("sink", "value"), CASES)
def test_a_hostile_value_is_refused_at_its_field_with_a_remedy(
    admin: Client, sink: Sink, value: str
) -> None:
    form = sink.form(factories.node())
    reply = admin.post(sink.url, form | {sink.field: value})
    assert reply.status_code == 200, "it was accepted"
    messages = errors_of(reply, sink.field)
    assert messages, reply.context["errors"]
    assert len(messages[0].split()) > 4, f"no remedy in {messages}"
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("kind", sorted(FREE_TEXT))
def test_text_for_people_is_shown_escaped(admin: Client, kind: str) -> None:
    node = factories.node(name="<script>alert(1)</script>" + panel.HOSTILE[kind])
    page = admin.get(f"/deploy/node/{node.pk}/change/").content.decode()
    assert "<script>alert(1)" not in page


def test_every_text_field_of_every_form_is_tried(admin: Client) -> None:
    """A new text field that no case above knows fails here."""
    factories.node()
    known, untried = {(sink.url, sink.field) for sink in SINKS}, set[tuple[str, str]]()
    for url in {sink.url for sink in SINKS}:
        context = admin.get(url).context
        every = [("", context["adminform"].form)]
        every += [
            (f"{inline.formset.prefix}-0-", inline.formset.empty_form)
            for inline in context["inline_admin_formsets"]
        ]
        for prefix, form in every:
            for name, field in form.fields.items():
                if type(field).clean is not forms.CharField.clean or not isinstance(
                    field, forms.CharField | forms.GenericIPAddressField
                ):
                    continue
                untried |= {(url, prefix + name)} - known
    assert not untried
