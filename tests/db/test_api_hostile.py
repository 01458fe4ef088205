"""Hostile values are refused at every text field, with its name, and nothing is changed."""

from typing import Any

import pytest
from django.db import models
from django.forms.models import model_to_dict
from rest_framework.test import APIClient

from ddiweb.deploy.models import Deployment, Node
from firewall.models import AddressException, AllowedService
from tests import factories
from tests.db.api import V1, client, faults, operator, problem, send

pytestmark = [pytest.mark.db, pytest.mark.django_db]

HOSTILE = {
    "newline": "abc\ndef", "newline at the end": "abcdefghijklmn\n", "carriage return": "abc\rdef",
    "NUL": "abc\x00def", "tab": "abc\tdef", "escape": "abc\x1b[31m", "line separator": "a\u2028b",
    "surrogate": "abc\ud800", "only a newline": "\n",
}  # fmt: skip
#: What Asterisk would read as more than text; refused wherever a value goes to Asterisk.
ASTERISK = {
    "quote": 'abc"def', "single quote": "abc'def", "shell": "${SHELL(id)}", "comma": "abc,def",
    "semicolon": "abc;def", "caret": "abc^3Bdef", "backslash": "abc\\def", "backtick": "a`id`b",
    "angle brackets": "<sip:a@b>",
}  # fmt: skip
#: Resource → text field → whether the value reaches Asterisk, AMI or the kernel.
FIELDS: dict[str, dict[str, bool]] = {
    "nodes": {
        "name": False,
        "realm": True,
        "public_ipv4": True,
        "public_ipv6": True,
        "sip_domain": True,
    },
    "trunks": {"name": True, "host": True, "username": True, "password": True, "country": True},
    "numbers": {"e164": True, "label": True},
    "peers": {"name": True, "username": True, "password": True},
    "schedules": {"name": False, "zone": True},
    "management-networks": {"cidr": True, "note": False},
    "allowed-services": {"protocol": True, "network": True, "note": False},
    "address-exceptions": {"cidr": True, "note": False},
}
CASES = [
    (resource, field, value)
    for resource, fields in FIELDS.items()
    for field, strict in fields.items()
    for value in (*HOSTILE, *(ASTERISK if strict else ()))
]
VALUES = HOSTILE | ASTERISK
# A vendor chooses this password: brackets mean nothing to Asterisk there.
CASES.remove(("trunks", "password", "angle brackets"))


@pytest.fixture
def api() -> APIClient:
    return client(operator())


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


def _row(resource: str, node: Node) -> tuple[str, models.Model]:
    row: Any
    match resource:
        case "nodes":
            return f"{V1}nodes/{node.slug}/", node
        case "trunks":
            row = factories.trunk(node)
        case "numbers":
            row = factories.number(factories.trunk(node), "+442079460100", factories.peer(node))
        case "peers":
            row = factories.peer(node)
        case "schedules":
            row = factories.schedule(node)
        case "allowed-services":
            row = AllowedService.objects.create(node=node, first=443, last=443)
        case "address-exceptions":
            row = AddressException.objects.create(node=node, cidr="192.0.2.0/24")
        case _:
            row = factories.management(node, "198.51.100.0/28")
    return f"{V1}{resource}/{row.pk}/", row


@pytest.mark.parametrize(("resource", "field", "value"), CASES)
def test_a_hostile_value_is_refused_by_name_and_changes_nothing(
    api: APIClient, node: Node, resource: str, field: str, value: str
) -> None:
    url, row = _row(resource, node)
    before = model_to_dict(row)
    body = problem(send(api, "PATCH", url, {field: VALUES[value]}), 400)
    assert [one["field"] for one in body["errors"]] == [field]
    assert len(body["errors"][0]["message"].split()) > 5, "a fault and a remedy"
    assert model_to_dict(type(row)._default_manager.get(pk=row.pk)) == before
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [*(("cidr", one) for one in VALUES), *(("note", one) for one in HOSTILE)]
)
def test_a_hostile_value_in_a_nested_list_is_refused(
    api: APIClient, node: Node, field: str, value: str
) -> None:
    trunk = factories.trunk(node, "203.0.113.20/32")
    network = {"cidr": "203.0.113.21", "note": ""} | {field: VALUES[value]}
    answer = send(api, "PATCH", f"{V1}trunks/{trunk.pk}/", {"networks": [network]})
    assert set(faults(answer)) == {f"networks.0.{field}"}
    assert [str(one) for one in trunk.networks.all()] == ["203.0.113.20/32"]


@pytest.mark.parametrize(
    "cidr",
    ["0.0.0.0/0", "::/0", "10.0.0.0/7", "2001::/15", "010.1.1.1", "203.0.113.1/24", "x/0",
     "203.0.113.1,0.0.0.0/0", "example.net", "127.0.0.1", "224.0.0.1", "fe80::1", "1", "",
     "203.0.113.0/33", "2001:db8::1%1"],
)  # fmt: skip
def test_a_network_that_would_let_strangers_in_is_refused(
    api: APIClient, node: Node, cidr: str
) -> None:
    answer = api.post(V1 + "management-networks/", {"node": "london", "cidr": cidr})
    assert set(faults(answer)) == {"cidr"}


@pytest.mark.parametrize(
    "body",
    [
        {"codecs": []}, {"codecs": ["ulaw", "ulaw"]}, {"codecs": ["g729"]}, {"codecs": [["ulaw"]]},
        {"codecs": [None]}, {"codecs": {"a": 1}}, {"codecs": "ulaw"}, {"codecs": None},
        {"name": None}, {"name": 5}, {"name": ["a"]}, {"name": {}}, {"name": ""}, {"name": " "},
        {"name": "x" * 81}, {"enabled": "perhaps"}, {"owner": "nobody-here"}, {"owner": {}},
        {"node": 5}, {"node": None}, {"username": "ab"}, {"username": "trunk_1"},
        {"username": "ddi-abcdefgh-xyz"}, {"carrier": "pigeon"},
        {"password": "short"}, {"password": ""}, {"password": None}, {"password": "x" * 200},
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_and_never_a_defect(
    api: APIClient, node: Node, body: dict[str, Any]
) -> None:
    url, _ = _row("peers", node)
    found = faults(api.patch(url, body))
    assert found, "named"
    assert {name.split(".")[0] for name in found} <= {*body, ""}


@pytest.mark.parametrize(
    "steps",
    [
        None, "ring", {}, [1], [None], [{"kind": "shell"}], [{"peers": ["x"]}], [{"peers": None}],
        [{"peers": [10**30]}], [{"timeout": 4}], [{"timeout": 10**30}], [{"cause": "x"}],
        [{"kind": "reject"}, {"kind": "reject"}], [{"kind": "reject"}] * 21, [{"application": "x"}],
        [{"peers": [True]}], [{"timeout": "5\n"}],
    ],
)  # fmt: skip
def test_a_route_of_the_wrong_kind_is_refused_and_never_a_defect(
    api: APIClient, node: Node, steps: Any
) -> None:
    url, _ = _row("numbers", node)
    assert all(name.startswith("steps") for name in faults(api.patch(url, {"steps": steps})))


def test_a_surrogate_in_a_name_of_the_body_is_refused(api: APIClient, node: Node) -> None:
    url, _ = _row("peers", node)
    problem(send(api, "PATCH", url, {"\ud800": 1}), 400)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["node", "owner"])
def test_a_hostile_name_of_another_object_is_refused(
    api: APIClient, node: Node, field: str, value: str
) -> None:
    url, _ = _row("peers", node)
    assert set(faults(send(api, "PATCH", url, {field: HOSTILE[value]}))) == {field}
