"""How a vendor writes numbers, and how many calls it may bring, down to Asterisk's row."""

import pytest

from ddiweb.deploy.models import Node
from peers.models import Trunk
from peers.realtime import snapshot
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WISH = {"ddi_header": "to", "country": "44", "channels_max": 4}


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


def rows(node: Node) -> list[tuple[str, ...]]:
    """Header, country and limit of each trunk, as calls that come in are told of them."""
    found = (row.as_dict() for row in render(snapshot.take(node)[0]).table("trunk_endpoints"))
    told = [row["set_var"].removeprefix("INBOUND=").split(",") for row in found]
    return [(header, country, most) for header, _, _, _, country, _, _, most, _ in told]


def test_a_trunk_over_the_api_reaches_its_row(node: Node) -> None:
    body = {"node": "london", "name": "Vendor"} | WISH
    assert client(operator()).post(V1 + "trunks/", body).status_code == 201
    assert rows(node) == [("to", "44", "4")]


def test_a_trunk_in_the_panel_reaches_its_row(node: Node) -> None:
    answer = panel.client().post("/peers/trunk/add/", panel.trunk_form(node, **WISH))
    assert panel.faults(answer) == ""
    assert rows(node) == [("to", "44", "4")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ddi_header", "X-Number"), ("country", "+44"), ("country", "044"), ("country", "44\n"),
        ("country", "4444"), ("channels_max", -1), ("channels_max", 100_001),
    ],
)  # fmt: skip
def test_what_asterisk_could_not_follow_is_refused_by_name(
    node: Node, field: str, value: object
) -> None:
    trunk = factories.trunk(node)
    answer = client(operator()).patch(f"{V1}trunks/{trunk.pk}/", {field: value})
    assert list(faults(answer)) == [field]
    assert Trunk.objects.get().ddi_header == "request"
