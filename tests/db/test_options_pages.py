"""A node's firewall options at the panel and the API; what has an end goes by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ddiweb.deploy import pipeline, registry, tasks
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.target import Plan
from firewall import options
from firewall.models import AddressException, AllowedService
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator
from tests.fakes import MemoryTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_what_has_run_out_is_taken_away_with_a_deployment_of_its_node() -> None:
    ended, other = factories.node(), factories.node()
    past, future = (timezone.now() + timedelta(seconds=one) for one in (-1, 60))
    AllowedService.objects.create(node=ended, first=443, last=443, expires_at=past)
    AddressException.objects.create(node=ended, cidr="192.0.2.0/24", expires_at=past)
    AddressException.objects.create(node=other, cidr="192.0.2.0/24", expires_at=future)
    AllowedService.objects.create(node=other, first=443, last=443)
    assert options.expire() == 2
    assert [row.node for row in panel.pending()] == [ended]
    assert (AllowedService.objects.count(), AddressException.objects.count()) == (1, 1)


def test_a_second_look_takes_nothing_more() -> None:
    node = factories.node()
    AllowedService.objects.create(node=node, first=1, last=1, expires_at=timezone.now())
    assert (options.expire(), options.expire()) == (1, 0)


def test_the_page_stores_countries_in_capitals_and_asks_for_a_deployment() -> None:
    form = panel.node_form(countries="gb, fr", throttle="on", open_rtp="on")
    panel.client().post("/deploy/node/add/", form)
    node = Node.objects.get()
    assert (node.countries, node.throttle, node.open_rtp) == (["GB", "FR"], True, True)
    assert len(panel.pending(node)) == 1


def test_the_page_says_what_each_option_costs() -> None:
    page = panel.client().get(f"/deploy/node/{factories.node().pk}/change/").content.decode()
    for text in ("lock each other out", "strangers reach Asterisk", "phones abroad are locked out"):
        assert text in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("countries", ["gb"]), ("countries", ["GBR"]), ("countries", "GB"),
        ("countries", ["GB", "GB"]), ("tls_port", 70_000), ("throttle", "perhaps"),
        ("ban_failures", 0), ("trial_seconds", 1), ("ban_seconds", 10**9),
    ],
)  # fmt: skip
def test_the_api_refuses_a_bad_option_and_changes_nothing(field: str, value: object) -> None:
    node = factories.node(slug="london")
    reply = client(operator()).patch(f"{V1}nodes/london/", {field: value})
    assert [name.partition(".")[0] for name in faults(reply)] == [field]
    assert Node.objects.get(pk=node.pk).generation == 0


def test_drift_is_written_down_with_who_noticed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    node = factories.node()
    Deployment.objects.create(
        node=node, generation=0, reason="x", state="done", finished_at=timezone.now()
    )

    class Touched(MemoryTarget):
        def diff(self, *_: object) -> Plan:
            return Plan(("+ a",), None, ("Somebody removed a.",), ("- a",))

    monkeypatch.setattr(registry, "targets", lambda: [Touched()])
    tasks.check_drift(node.pk)
    (row,) = panel.pending(node)
    assert row.drift["words"] == ["Somebody removed a."]
    assert row.drift["seen"] == {"memory": ["- a"]}
    assert node.slug in row.drift["by"]
    page = panel.client().get(f"/deploy/deployment/{row.pk}/change/").content.decode()
    assert "Somebody removed a." in page


def test_a_target_that_knows_itself_right_is_not_rendered() -> None:
    class Sure(MemoryTarget):
        def as_applied(self, *_: object) -> bool:
            return True

    target = Sure()
    assert pipeline.drifted(factories.node(), [target]) == {}
    assert target.calls == ["read"]
