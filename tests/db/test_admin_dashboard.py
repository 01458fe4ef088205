"""The first page, the plan and the progress of a deployment."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.templatetags.panel import ago, diff_lines
from ddiweb.live import dashboard, heartbeat
from ddiweb.live.models import Call, Contact, Heartbeat, SecurityEvent
from peers import services
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def admin() -> Client:
    return panel.client()


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london", name="London")


def text(admin: Client, url: str = "/board/") -> str:
    reply = admin.get(url)
    assert reply.status_code == 200
    return str(reply.content.decode())


def ended(node: Node, state: str, **fields: Any) -> Deployment:
    return Deployment.objects.create(
        node=node, generation=1, reason="x", state=state, finished_at=timezone.now(), **fields
    )


def test_an_empty_panel_tells_the_first_steps(admin: Client) -> None:
    page = text(admin, "/")
    assert page.index("A node") < page.index("A trunk") < page.index("A peer")
    assert page.index("A peer") < page.index("A number")


def test_only_the_next_step_has_a_button(admin: Client, node: Node) -> None:
    page = text(admin)
    assert "/peers/trunk/add/" in page
    assert "/peers/number/add/" not in page


def test_the_first_steps_vanish_when_a_call_can_come_in(admin: Client, node: Node) -> None:
    factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    assert "First steps" not in text(admin)


def test_a_registered_phone_is_counted_and_shown(admin: Client, node: Node) -> None:
    here, away = factories.peer(node, name="Ada"), factories.peer(node, name="Bob")
    Contact.objects.create(
        node=node, endpoint=here.key, uri="sip:x", address="198.51.100.40", seen_at=timezone.now()
    )
    board = dashboard.read(panel.person("other"))
    assert [row.peer for row in board.registered] == [here]
    assert list(board.away) == [away]
    assert "198.51.100.40" in text(admin)


def test_an_expired_contact_is_not_a_registered_phone(node: Node) -> None:
    peer, past = factories.peer(node), timezone.now() - timedelta(seconds=1)
    Contact.objects.create(node=node, endpoint=peer.key, uri="sip:x", seen_at=past, expires_at=past)
    assert dashboard.read(panel.person()).here == 0


@pytest.mark.parametrize("state", ["failed", "rolled_back", "refused"])
def test_a_deployment_that_needs_a_person_is_shown_with_its_error(
    admin: Client, node: Node, state: str
) -> None:
    ended(node, state, error="the agent can't be reached")
    assert "the agent can&#x27;t be reached" in text(admin)


def test_a_deployment_that_was_mended_by_a_later_one_is_not_shown(
    admin: Client, node: Node
) -> None:
    ended(node, "failed", error="the disk is full")
    ended(node, "done")
    assert "the disk is full" not in text(admin)


def test_a_silent_worker_and_watch_are_said(admin: Client, node: Node) -> None:
    page = text(admin)
    assert "worker silent" in page
    assert "watch silent" in page


def test_all_is_well_when_both_live(admin: Client, node: Node) -> None:
    heartbeat.note(heartbeat.worker_name("london"))
    heartbeat.note(heartbeat.watch_name("london"))
    assert "Nothing needs you" in text(admin)


def test_a_heartbeat_that_is_old_counts_as_silence(node: Node) -> None:
    heartbeat.note("watch:london")
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert not heartbeat.pulse("watch:london").alive


def test_a_rotation_that_was_not_taken_up_is_shown(admin: Client, node: Node) -> None:
    peer = factories.peer(node, name="Ada")
    services.token_seen(services.peer_created(peer), timezone.now())
    services.rotate([peer])
    assert "still uses its old token" in text(admin)


def test_a_phone_that_was_never_seen_uses_no_old_token(admin: Client, node: Node) -> None:
    peer = factories.peer(node, name="Ada")
    services.peer_created(peer)
    services.rotate([peer])
    page = text(admin)
    assert "was never seen; set it up" in page
    assert "still uses its old token" not in page


def test_what_strangers_sent_is_shown_escaped(admin: Client, node: Node) -> None:
    evil = "<script>alert(1)</script>"
    factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    now = timezone.now()
    Call.objects.create(node=node, unique_id="1", started_at=now, caller=evil, disposition=evil[:9])
    SecurityEvent.objects.create(node=node, at=now, kind=evil, account=evil, address=evil)
    assert "<script>alert" not in text(admin)


def test_the_board_takes_few_queries_however_many_phones(
    admin: Client, node: Node, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        services.peer_created(factories.peer(node))
    text(admin)  # the first look of all begins the clock's reading
    with django_assert_max_num_queries(30):
        text(admin)


def test_the_list_of_peers_takes_few_queries_however_many_phones(
    admin: Client, node: Node, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        services.peer_created(factories.peer(node))
    with django_assert_max_num_queries(20):
        text(admin, "/peers/peer/")


def test_the_plan_colours_what_comes_and_goes() -> None:
    lines = ["+ row a", "- row b", "~ row c", "v4 + -A X", "v6 - -A X", "add -exist s 1", "other"]
    kinds = ["added", "removed", "changed", "added", "removed", "added", "plain"]
    assert [kind for kind, _ in diff_lines(lines)] == kinds


def test_the_plan_page_shows_rows_and_rules(admin: Client, node: Node) -> None:
    plan = {"realtime": ["+ ps_aors peer_1"], "firewall": ["v4 - -A DDI-X <y>"]}
    ended(node, "done", plan=plan, started_at=timezone.now(), dry_run=True)
    page = text(admin, f"/deploy/node/{node.pk}/plan/")
    assert '<span class="diff-added">+ ps_aors peer_1</span>' in page
    assert '<span class="diff-removed">v4 - -A DDI-X &lt;y&gt;</span>' in page


def test_the_plan_page_of_a_new_node_says_that_nothing_was_compared(
    admin: Client, node: Node
) -> None:
    assert "No deployment has compared" in text(admin, f"/deploy/node/{node.pk}/plan/")


def test_polling_stops_when_a_deployment_has_ended(admin: Client, node: Node) -> None:
    row = ended(node, "done")
    assert admin.get(f"/deploy/deployment/{row.pk}/progress/")["X-Poll"] == "stop"


def test_polling_goes_on_while_a_deployment_waits(admin: Client, node: Node) -> None:
    row = Deployment.objects.create(node=node, generation=1, reason="x")
    assert "X-Poll" not in admin.get(f"/deploy/deployment/{row.pk}/progress/")


def test_a_deployment_can_be_asked_for_by_hand(admin: Client, node: Node) -> None:
    admin.post(f"/deploy/node/{node.pk}/again/")
    (row,) = panel.pending(node)
    assert (row.reason, row.generation) == ("asked for by hand", node.generation)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (5, "5.0 s ago"),
        (90, "90 s ago"),
        (600, "10 min ago"),
        (-7300, "in 2 h"),
        (3e5, "3 days ago"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert ago(timezone.now() - timedelta(seconds=seconds)) == said


def test_the_call_log_names_the_phone(admin: Client, node: Node) -> None:
    peer, now = factories.peer(node, name="Ada mobile"), timezone.now()
    Call.objects.create(node=node, unique_id="1", started_at=now, peer=peer.key)
    assert "Ada mobile" in text(admin, "/live/call/")


def test_the_list_of_contacts_names_phones_and_trunks(admin: Client, node: Node) -> None:
    rows = [factories.peer(node, name="Ada mobile"), factories.trunk(node, name="Vendor")]
    for row in rows:
        Contact.objects.create(node=node, endpoint=row.key, uri="sip:x", seen_at=timezone.now())
    page = text(admin, "/live/contact/")
    assert "Ada mobile" in page
    assert "Vendor" in page


def test_a_phone_that_was_cut_off_is_named_until_it_shows_its_new_token() -> None:
    peer = factories.peer(factories.node())
    services.peer_created(peer)
    assert dashboard._cut_off() == []
    (token,) = services.compromised([peer])
    assert dashboard._cut_off() == [peer]
    services.token_seen(token, timezone.now())
    assert dashboard._cut_off() == []
