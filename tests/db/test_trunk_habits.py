"""A vendor's hosts, headers and ways to write numbers, from the form and the API to the rows."""

from typing import Any

import pytest

from ddiweb.deploy.models import Node
from peers.models import Trunk
from peers.realtime import snapshot
from peers.realtime.render import render
from peers.realtime.rows import Rows
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WISH: dict[str, Any] = {
    "host": "sip.example.net", "port": 5061, "transport": "tls", "proxy": "edge.example.net",
    "proxy_port": 5071, "from_domain": "example.net", "dtmf": "info", "caller_in": "rpid",
    "caller_out": "pai", "number_in": "national", "number_out": "national", "country": "44",
    "prefix_in": "77", "prefix_out": "#9", "national_prefix": "0", "international_prefix": "011",
}  # fmt: skip


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london", tls_port=5061, sip_domain="sip.london.example")


def rows(node: Node) -> Rows:
    return render(snapshot.take(node)[0])


def one(rows: Rows, table: str, place: int = 0) -> dict[str, str]:
    return rows.table(table)[place].as_dict()


def shows_the_wish(node: Node) -> None:
    endpoint, dialplan = one(rows(node), "trunk_endpoints"), one(rows(node), "ddi_trunks")
    assert (endpoint["media_encryption"], endpoint["dtmf_mode"]) == ("sdes", "info")
    assert (endpoint["transport"], endpoint["send_pai"]) == ("transport-tls4-5061", "yes")
    assert endpoint["outbound_proxy"] == "sip:edge.example.net:5071;transport=tls;lr"
    assert endpoint["from_domain"] == "example.net"
    assert one(rows(node), "trunk_aors")["contact"] == "sip:sip.example.net:5061;transport=tls"
    assert endpoint["set_var"] == "INBOUND=request,rpid,national,77,44,0,011,0,0"
    same = ("caller_out", "number_out", "prefix_out")
    assert {name: dialplan[name] for name in same} == {name: WISH[name] for name in same}
    assert (dialplan["national"], dialplan["international"]) == ("0", "011")


def test_all_of_it_over_the_api_reaches_its_rows(node: Node) -> None:
    body = {"node": "london", "name": "Vendor", "srtp": True} | WISH
    answer = client(operator()).post(V1 + "trunks/", body)
    assert answer.status_code == 201, answer.content
    shows_the_wish(node)


def test_all_of_it_in_the_panel_reaches_its_rows(node: Node) -> None:
    form = panel.trunk_form(node, **WISH, srtp="on")
    assert panel.faults(panel.client().post("/peers/trunk/add/", form)) == ""
    shows_the_wish(node)


def test_further_hosts_are_tried_by_priority_and_share_where_it_is_the_same(node: Node) -> None:
    servers = [
        {"host": "b.example.net", "priority": 0},
        {"host": "c.example.net", "port": 5070, "priority": 3},
    ]
    body = {"node": "london", "name": "Vendor", "host": "a.example.net", "servers": servers}
    assert client(operator()).post(V1 + "trunks/", body).status_code == 201
    found = rows(node)
    assert one(found, "ddi_trunks")["servers"].endswith("/" + found.table("trunk_aors")[2].id)
    assert "&" in one(found, "ddi_trunks")["servers"]
    assert one(found, "trunk_aors", 2)["contact"] == "sip:c.example.net:5070"


def test_further_hosts_in_the_panel_are_stored(node: Node) -> None:
    further = panel.servers(("b.example.net", 5060, 1))
    form = panel.trunk_form(node, host="a.example.net", **further)
    assert panel.faults(panel.client().post("/peers/trunk/add/", form)) == ""
    assert [str(row) for row in Trunk.objects.get().servers.all()] == ["b.example.net:5060"]


def test_a_trunk_registers_with_each_host(node: Node) -> None:
    trunk = factories.trunk(node, host="a.example.net", username="u", password="p" * 9)
    Trunk.objects.filter(pk=trunk.pk).update(register=True)
    trunk.servers.create(host="b.example.net")
    uris = [row.as_dict()["server_uri"] for row in rows(node).table("trunk_registrations")]
    assert uris == ["sip:a.example.net:5060", "sip:b.example.net:5060"]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("srtp", {"srtp": True}),
        ("country", {"number_out": "national"}),
        ("prefix_out", {"prefix_out": "+9"}),
        ("prefix_in", {"prefix_in": "9\n"}),
        ("international_prefix", {"international_prefix": "11"}),
        ("caller_in", {"caller_in": "contact"}),
        ("proxy", {"proxy": "a b;lr"}),
        ("from_domain", {"from_domain": "x>;tag=1"}),
        ("servers", {"servers": [{"host": "sip.example.net"}]}),
        ("servers.0.host", {"servers": [{"host": "sip.example.net;transport=tls"}]}),
        ("servers.0.priority", {"servers": [{"host": "b.example.net", "priority": 10}]}),
    ],
)
def test_what_asterisk_could_not_follow_is_refused_by_name(
    node: Node, field: str, change: dict[str, Any]
) -> None:
    trunk = factories.trunk(node, host="sip.example.net")
    answer = client(operator()).patch(f"{V1}trunks/{trunk.pk}/", change)
    assert answer.status_code == 400, answer.content
    assert list(faults(answer)) == [field]
    trunk.refresh_from_db()
    assert (trunk.srtp, trunk.prefix_out, trunk.servers.count()) == (False, "", 0)


def test_tls_on_a_node_without_it_is_refused_with_the_remedy() -> None:
    plain = factories.node(slug="plain")
    body = {"node": "plain", "name": "Vendor", "host": "sip.example.net", "transport": "tls"}
    answer = client(operator()).post(V1 + "trunks/", body)
    assert list(faults(answer)) == ["transport"]
    form = panel.trunk_form(plain, host="sip.example.net", transport="tls")
    assert "TLS port" in panel.faults(panel.client().post("/peers/trunk/add/", form))
