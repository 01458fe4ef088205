"""What the panel and the API offer while a change is on trial, and after nobody confirmed it."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from ddiweb import clock
from ddiweb.deploy import registry, trials
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from tests import factories
from tests.fakes import TryingTarget

pytestmark = [pytest.mark.db, pytest.mark.django_db]

WORDS = "management network 203.0.113.0/24 is removed"


@pytest.fixture
def row() -> Deployment:
    node = factories.node()
    Node.objects.filter(pk=node.pk).update(generation=3)
    return Deployment.objects.create(
        node=node, generation=3, state=State.CONFIRMING, reason="test", trial=[WORDS],
        confirm_until=clock.now() + timedelta(seconds=50),
    )  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to the node; the node answers at once that it saw no new connection."""
    verbs: list[str] = []

    def send(row: Deployment, verb: trials.Verb, **_: Any) -> bool:
        verbs.append(verb)
        trials.end(row, verb, [TryingTarget(state="running")])
        return True

    monkeypatch.setattr(trials, "send", send)
    return verbs


def page(client: Client, row: Deployment) -> str:
    return client.get(reverse("admin:deploy_deployment_change", args=[row.pk])).content.decode()


def test_the_page_says_what_is_tried_how_long_and_how_to_prove_it(
    admin_client: Client, row: Deployment
) -> None:
    text = page(admin_client, row).lower()
    for words in (WORDS, 'data-seconds="', "open a new connection", ">confirm<", ">roll back<"):
        assert words in text


def test_each_page_of_the_panel_tells_of_a_trial(admin_client: Client, row: Deployment) -> None:
    for name in ("index", "peers_peer_changelist", "deploy_node_changelist"):
        assert "is on trial" in admin_client.get(reverse(f"admin:{name}")).content.decode()


def test_a_refused_confirmation_is_shown_with_its_reason(
    admin_client: Client, row: Deployment, sent: list[str]
) -> None:
    answer = admin_client.post(
        reverse("admin:deploy_deployment_confirm", args=[row.pk]), follow=True
    )
    assert (sent, "no new connection was seen" in answer.content.decode()) == (["confirm"], True)


def test_what_nobody_confirmed_says_so_and_can_be_tried_again(
    admin_client: Client, row: Deployment
) -> None:
    Deployment.objects.update(state=State.ROLLED_BACK, error="nobody confirmed it in time")
    assert "Try again" in page(admin_client, row)
    assert "is not in force" in admin_client.get(reverse("admin:index")).content.decode()
    admin_client.post(reverse("admin:deploy_node_again", args=[row.node_id]))
    again = Deployment.objects.get(state=State.PENDING)
    assert (again.generation, again.requested_by is None) == (4, False)


def test_only_who_may_change_the_node_ends_a_trial(
    client: Client, row: Deployment, sent: list[str], django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create(username="eve", is_staff=True))
    answer = client.post(reverse("admin:deploy_deployment_confirm", args=[row.pk]))
    assert (answer.status_code, sent) == (403, [])


def test_the_api_ends_a_trial(admin_user: Any, row: Deployment, sent: list[str]) -> None:
    api = APIClient()
    api.force_authenticate(admin_user)
    answer = api.post(f"/api/v1/deployments/{row.pk}/rollback/", {}, format="json")
    assert (answer.status_code, sent, answer.data["trial"]) == (202, ["rollback"], [WORDS])


def test_the_api_refuses_to_confirm_what_is_not_on_trial(admin_user: Any, row: Deployment) -> None:
    Deployment.objects.update(state=State.REFUSED)
    api = APIClient()
    api.force_authenticate(admin_user)
    assert api.post(f"/api/v1/deployments/{row.pk}/confirm/", {}, format="json").status_code == 409


def test_the_command_confirms_without_web_and_redis(
    row: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = TryingTarget(state="running", proved=True)
    monkeypatch.setattr(registry, "targets", lambda: [target])
    call_command("confirm", row.node.slug)
    row.refresh_from_db()
    assert row.state == State.DONE


def test_the_command_says_why_it_did_not_confirm(
    row: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "targets", lambda: [TryingTarget(state="running")])
    with pytest.raises(CommandError, match="no new connection"):
        call_command("confirm", row.node.slug)


@pytest.mark.parametrize(
    ("peer", "kept"),
    [("198.51.100.7", "198.51.100.7"), ("127.0.0.1", None), ("::1", None), ("::ffff:7f00:1", None)],
)
def test_a_deployment_notes_which_address_asked(
    admin_client: Client, peer: str, kept: str | None
) -> None:
    node = factories.node()
    admin_client.post(reverse("admin:deploy_node_again", args=[node.pk]), REMOTE_ADDR=peer)
    assert Deployment.objects.get().requested_from == kept


def test_what_nobody_confirmed_is_called_in_force_in_part(
    admin_client: Client, row: Deployment
) -> None:
    Deployment.objects.filter(pk=row.pk).update(state=State.ROLLED_BACK, edits=3)
    text = admin_client.get(reverse("admin:deploy_deployment_changelist")).content.decode()
    assert "in force in part" in text and "test and 2 more edits" in text
