"""Why: how a question is taken, who answers it, and that no secret comes out with the answer."""

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from firewall import questions, told, why
from firewall.models import Question
from firewall.ruleset.packet import Packet
from peers import services
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, problem

pytestmark = [pytest.mark.db, pytest.mark.django_db]
REGISTER = "REGISTER sip:pbx SIP/2.0\nUser-Agent: x\n"


@pytest.fixture
def node() -> Node:
    """Answered by the oracle at once, within the panel."""
    return factories.node(slug="london", dry_run=True)


@pytest.fixture
def api() -> APIClient:
    return client(operator())


def ask(node: Node, **fields: Any) -> told.Told:
    row = Question(**{"node": node, "source": "203.0.113.66:5060"} | fields)
    questions.ask(row)
    questions.answer(row.pk)
    row.refresh_from_db()
    assert row.error == ""
    return told.tell(row)


@pytest.mark.parametrize(
    ("pasted", "sent"),
    [
        (REGISTER, b"REGISTER sip:pbx SIP/2.0\r\nUser-Agent: x\r\n\r\n"),
        (
            "\n\n    " + REGISTER.replace("\n", "\n    "),
            b"REGISTER sip:pbx SIP/2.0\r\nUser-Agent: x\r\n\r\n",
        ),
        ("SIP/2.0 200 OK\r\nTo: x\r\n\r\nbody\n", b"SIP/2.0 200 OK\r\nTo: x\r\n\r\nbody\r\n"),
        ("plain\ntext", b"plain\ntext"),
        ("", b""),
    ],
)  # fmt: skip
def test_a_pasted_sip_message_is_repaired_and_other_text_is_left(pasted: str, sent: bytes) -> None:
    assert questions.repaired(pasted) == sent


def test_a_stranger_is_told_that_it_carries_no_token(node: Node) -> None:
    found = ask(node, payload=REGISTER)
    assert (found.passes, found.sentence) == (False, "It is dropped: it carries no token.")
    assert any("trunk" in one.text for one in found.remedies)


def test_a_vendor_is_told_by_its_name(node: Node) -> None:
    factories.trunk(node, "203.0.113.64/28", name="Vendor One")
    found = ask(node)
    assert found.passes
    assert found.sentence == (
        "It gets through: 203.0.113.64/28 is a network of the vendor “Vendor One”."
    )


def test_a_phone_is_told_by_its_name_and_never_by_its_token(node: Node) -> None:
    peer = factories.peer(node, name="Ada mobile")
    secret = services.issue_token(peer).value
    found = ask(node, peer=peer)
    assert found.sentence == "It gets through: it carries the token of “Ada mobile”."
    assert secret not in repr(found)
    assert secret not in str(Question.objects.values())


def test_audio_without_a_proof_is_told(node: Node) -> None:
    found = ask(node, to_port=node.rtp_first)
    assert "no phone at this address showed its token lately" in found.sentence


def test_a_closed_port_leads_to_the_list_of_services(node: Node) -> None:
    found = ask(node, protocol="tcp", to_port=443)
    assert any("allowedservice" in one.url for one in found.remedies)


def test_what_was_pasted_is_gone_after_the_answer(node: Node) -> None:
    secret = f"{node.site_prefix}{'a' * 26}"
    ask(node, payload=f"REGISTER sip:x SIP/2.0\nUser-Agent: {secret}\n")
    row = Question.objects.get()
    assert (row.payload, secret in str(row.answer)) == ("", False)


def test_a_contradiction_is_called_a_defect(node: Node) -> None:
    said = {"verdict": "accept", "path": ["DDI-IN -g DDIa-IN", "DDIa-IN -i lo -j ACCEPT"]}
    row = Question(node=node, source="x", answered_at=timezone.now())
    row.answer = {"kernel": said, "oracle": {"verdict": "drop", "path": ["no token"]}, "note": "n"}
    found = told.tell(row)
    assert found.agreed is False
    assert "defect" in found.sentence


def test_a_refusal_of_the_agent_is_kept_as_the_answer(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise Refused("probe: no good ruleset is kept; apply one")

    monkeypatch.setattr(why, "explain", refuse)
    row = Question.objects.create(node=node, source="203.0.113.66")
    questions.answer(row.pk)
    row.refresh_from_db()
    assert "no good ruleset" in row.error


def test_a_silent_worker_leaves_the_oracle_alone() -> None:
    node = factories.node(slug="far")
    row = Question.objects.create(node=node, source="203.0.113.66")
    questions.await_answer(row, patience=0)
    found = told.tell(row)
    assert (found.agreed, "did not answer" in found.note) == (None, True)


def test_a_late_worker_does_not_change_an_answer(node: Node) -> None:
    row = Question.objects.create(node=node, source="203.0.113.66")
    questions.answer_alone(row.pk, "first")
    questions.answer(row.pk)
    row.refresh_from_db()
    assert row.answer["note"].startswith("first")


def test_a_crowd_of_questions_is_refused() -> None:
    node = factories.node()
    for _ in range(questions.MOST_WAITING):
        Question.objects.create(node=node, source="203.0.113.66")
    with pytest.raises(questions.Busy):
        questions.ask(Question(node=node, source="203.0.113.66"))


def test_yesterdays_questions_are_forgotten(node: Node) -> None:
    row = Question.objects.create(node=node, source="203.0.113.66")
    Question.objects.filter(pk=row.pk).update(asked_at=timezone.now() - timezone.timedelta(days=2))
    assert questions.purge() == 1


class Agent:
    """Answers as the agent would; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Packet] = []

    def __call__(self, path: str) -> "Agent":
        return self

    def probe(self, packets: list[Packet]) -> dict[str, Any]:
        self.asked = packets
        path = [
            "DDI-IN -g DDIa-IN",
            "DDIa-IN -p udp -m udp --dport 5060 -g DDIa-SIP",
            "DDIa-SIP -g DDIa-NEW",
            "DDIa-NEW -j DROP",
            "DDIa-XX -m strange -j DROP",
        ]
        oracle = {"verdict": "drop", "path": ["SIP over UDP", "no token"]}
        said = {"verdict": "drop", "path": path}
        return {"kernel": [said], "oracle": [oracle], "reason": "", "generation": 7}


def test_the_kernels_way_is_put_into_words_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(why, "AgentChannel", Agent())
    found = ask(factories.node(slug="near"))
    assert found.agreed is True
    assert found.kernel[1].text == (
        "Everything that arrives: it goes to UDP port 5060 → look at SIP over UDP"
    )
    assert found.kernel[-1].text == found.kernel[-1].raw == "DDIa-XX -m strange -j DROP"


def test_the_api_answers_in_one_request(
    api: APIClient, node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        body = api.post(f"{V1}nodes/london/why/", {"source": "203.0.113.66"}).json()
    assert set(body) == {"passes", "sentence", "agreed", "kernel", "oracle", "remedies", "note"}
    assert body["passes"] is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "nowhere"), ("source", "127.0.0.1"), ("source", "203.0.113.7:0"),
        ("source", "203.0.113.66\n"), ("source", ""), ("protocol", "sctp"), ("protocol", "udp\n"),
        ("to_port", 65_536), ("to_port", -1), ("to_port", "x"), ("peer", 999_999), ("peer", "x"),
        ("payload", "x" * 60_001), ("payload", ["x"]), ("reply", "perhaps"), ("color", "red"),
    ],
)  # fmt: skip
def test_a_bad_question_is_refused_by_name_and_not_asked(
    api: APIClient, node: Node, field: str, value: Any
) -> None:
    body = {"source": "203.0.113.66"} | {field: value}
    assert list(faults(api.post(f"{V1}nodes/london/why/", body))) == [field]
    assert not Question.objects.exists()


def test_a_peer_of_another_node_is_refused(api: APIClient, node: Node) -> None:
    other = factories.peer(factories.node())
    body = {"source": "203.0.113.66", "peer": other.pk}
    assert list(faults(api.post(f"{V1}nodes/london/why/", body))) == ["peer"]


def test_an_unknown_node_is_not_found(api: APIClient) -> None:
    problem(api.post(f"{V1}nodes/nowhere/why/", {"source": "203.0.113.66"}), 404)


def form(node: Node, **over: Any) -> dict[str, Any]:
    return {"node": node.pk, "source": "203.0.113.66", "protocol": "udp", "to_port": "0",
            "peer": "", "payload": ""} | over  # fmt: skip


def test_the_page_asks_and_leads_to_the_answer(
    node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    browser = panel.client()
    with django_capture_on_commit_callbacks(execute=True):
        reply = browser.post("/firewall/question/add/", form(node))
    page = browser.get(reply["Location"]).content.decode()
    assert "It is dropped: it carries no token." in page
    assert "independent check" in page


def test_the_page_says_what_is_wrong_at_the_field(node: Node) -> None:
    reply = panel.client().post("/firewall/question/add/", form(node, source="nowhere"))
    assert "source" in reply.context["adminform"].form.errors
    assert not Question.objects.exists()


def test_a_peers_page_leads_to_a_question_that_is_filled_in(node: Node) -> None:
    peer = factories.peer(node, name="Ada mobile")
    browser = panel.client()
    assert (
        f"/firewall/question/add/?peer={peer.pk}"
        in browser.get(f"/peers/peer/{peer.pk}/change/").content.decode()
    )
    initial = browser.get(f"/firewall/question/add/?peer={peer.pk}").context["adminform"].form
    assert (initial.initial["node"], initial.initial["peer"]) == (node.pk, str(peer.pk))


@pytest.mark.parametrize("number", ["x", "9" * 30, "-1", "1\n"])
def test_a_bad_number_in_the_address_is_no_error(node: Node, number: str) -> None:
    assert panel.client().get("/firewall/question/add/", {"peer": number}).status_code == 200


def test_an_answer_waits_on_the_page_until_it_is_there() -> None:
    row = Question.objects.create(node=factories.node(), source="203.0.113.66")
    browser = panel.client()
    assert "X-Poll" not in browser.get(f"/firewall/question/{row.pk}/answer/")
    questions.answer_alone(row.pk, "for this test")
    assert browser.get(f"/firewall/question/{row.pk}/answer/")["X-Poll"] == "stop"


def test_who_may_not_ask_does_not(node: Node) -> None:
    viewer = panel.client(panel.person("viewer", superuser=False, may=["firewall.view_question"]))
    assert viewer.post("/firewall/question/add/", form(node)).status_code == 403
    assert not Question.objects.exists()
