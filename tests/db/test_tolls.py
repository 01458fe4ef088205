"""Toll limits, rates and alarms: panel and API, down to the rows that Asterisk looks up."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ddiweb.deploy.models import Node
from ddiweb.live import tolls
from peers import rates_csv
from peers.models import Rate, TollAlarm, Trunk, TrunkToll
from peers.realtime import snapshot
from peers.realtime.ami_message import Message
from peers.realtime.render import render
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, operator

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def trunk(node: Node) -> Trunk:
    return factories.trunk(node, "203.0.113.20/32", host="sip.example.net")


def test_limits_and_rates_of_a_trunk_reach_their_rows(node: Node, trunk: Trunk) -> None:
    factories.policy(factories.number(trunk, "+442079460123"))
    api = client(operator())
    made = api.post(V1 + "toll-limits/", {"trunk": trunk.pk, "money_a_day": "20.00"})
    assert made.status_code == 201
    csv = "prefix,rate\n+44,0.0125\n4420,0.5,0.1,1\n"
    answer = api.post(f"{V1}toll-limits/{made.json()['id']}/rates/", {"csv": csv})
    assert (answer.status_code, answer.json()["rates"]) == (200, 2)
    made = render(snapshot.take(node)[0]).by_key
    assert made["ddi_tolls", trunk.key].as_dict()["money"] == "200000"
    row = made["ddi_rates", f"{trunk.key}-4420"].as_dict()
    assert (row["rate"], row["setup"], row["increment"]) == ("5000", "1000", "1")


def test_the_panel_takes_rates_as_a_file_and_replaces_all(trunk: Trunk) -> None:
    toll = TrunkToll.objects.create(trunk=trunk)
    Rate.objects.create(toll=toll, prefix="+1", a_minute=Decimal(1))
    data = {"calls_max": 0, "calls_a_minute": 0, "minutes_a_day": 0, "money_a_day": 0}
    file = SimpleUploadedFile("rates.csv", b"44;0,0125\n33;0,02\n")
    answer = panel.client().post(f"/peers/trunktoll/{toll.pk}/change/", data | {"rates_file": file})
    assert panel.faults(answer) == ""
    assert {one.prefix: one.a_minute for one in toll.rates.all()} == {
        "+44": Decimal("0.0125"),
        "+33": Decimal("0.0200"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "prefix,rate\n", "44\n", "44,a\n", "44,1,2,0\n", "44,1,2,3601\n", "044,1\n", "44,-1\n",
        "44,1e3\n", "44,1\n+44,2\n", "44,1,2,3,4\n", "44,99999\n", "44,0.00001\n",
        "4a,1\n44,2\n4b,1",
        "44,1\x00\n",
    ],
)  # fmt: skip
def test_what_is_no_rate_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValidationError):
        rates_csv.parse(text)


class Told:
    """Asterisk's answer to a question for its own database."""

    def __init__(self, **entries: str) -> None:
        self.entries = entries

    def action(self, name: str, **fields: str) -> list[Message]:
        return [
            Message((("Event", "DBGetTreeResponse"), ("Key", f"/toll/alarm/{key}"), ("Val", value)))
            for key, value in self.entries.items()
        ]


def test_a_cap_that_was_reached_stands_in_the_panel_and_in_the_api(node: Node) -> None:
    peer = factories.peer(node)
    entries = {f"{peer.key}-calls": "1795552998-2", "x-${E}": "1-1", "peer_1-calls ": "x"}
    for _ in range(2):
        tolls.alarms(node, Told(**entries))  # type: ignore[arg-type]
    assert [(one.who, one.cap, one.times) for one in TollAlarm.objects.all()] == [
        (peer.key, "calls", 2)
    ]
    TollAlarm.objects.update(last_at=timezone.now())
    assert peer.name in panel.client().get("/board/").content.decode()
    shown = client(operator()).get(V1 + "toll-alarms/").json()["results"][0]
    assert shown["what"] == "as many calls at once as allowed"
