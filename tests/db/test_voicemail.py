"""Mailboxes by form and API, messages from the node to the panel, and their mail."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ddiweb.deploy.errors import Retryable
from ddiweb.deploy.models import Node
from peers.models import Mailbox, VoiceMessage
from peers.realtime import snapshot
from peers.realtime.render import render
from peers.voicemail import collect, mail
from tests import factories
from tests.db import api, panel
from tests.smtp_sink import Sink, sink
from tests.unit.test_voicemail_spool import TEXT, keep

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.fixture
def box(node: Node) -> Mailbox:
    return Mailbox.objects.create(node=node, name="Ada", email="ada@example.net")


@pytest.fixture
def server(settings: Any) -> Any:
    with sink() as made:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        yield made


def nobody() -> Any:
    raise Retryable("Asterisk is away")


def test_a_mailbox_over_the_api_reaches_asterisk_with_the_lamp_of_its_phone(node: Node) -> None:
    phone = factories.peer(node, username="ada")
    number = factories.number(factories.trunk(node), "+442079460123", phone)
    user = api.client(api.operator())
    made = user.post(
        api.V1 + "mailboxes/", {"node": "london", "name": "Ada", "peers": [phone.pk], "longest": 60}
    )
    assert made.status_code == 201, made.content
    steps = [{"kind": "voicemail", "mailbox": made.json()["id"]}]
    assert user.patch(f"{api.V1}numbers/{number.pk}/", {"steps": steps}).status_code == 200
    rows = render(snapshot.take(node)[0])
    key = made.json()["key"]
    assert rows.by_key["ddi_mailboxes", key].as_dict()["maxsecs"] == "60"
    assert rows.by_key["ps_endpoints", "ada"].as_dict()["mailboxes"] == f"{key}@ddi"
    step = rows.table("ddi_steps")[0].as_dict()
    assert (step["kind"], step["target"]) == ("voicemail", key)


def test_a_step_without_a_mailbox_is_refused(node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    answer = api.client(api.operator()).patch(
        f"{api.V1}numbers/{number.pk}/", {"steps": [{"kind": "voicemail"}]}
    )
    assert (answer.status_code, "choose where" in answer.content.decode()) == (400, True)


def test_a_phone_of_another_node_is_refused_in_the_panel(node: Node) -> None:
    other = factories.peer(factories.node())
    form = {"node": node.pk, "name": "Ada", "email": "", "longest": "60", "keep_days": "9",
            "peers": [other.pk]}  # fmt: skip
    faults = panel.faults(panel.client().post("/peers/mailbox/add/", form))
    assert ("another node" in faults, Mailbox.objects.count()) == (True, 0)


def test_a_message_is_taken_up_once_and_follows_its_folder(box: Mailbox, tmp_path: Path) -> None:
    place = keep(tmp_path, TEXT, box=box.key)
    assert [collect.run(box.node, tmp_path, nobody) for _ in range(2)] == [1, 0]
    place.rename(place.parent / "Old")
    collect.run(box.node, tmp_path, nobody)
    assert VoiceMessage.objects.get().heard


def test_a_message_that_is_gone_from_asterisk_goes_once_it_was_mailed(
    box: Mailbox, tmp_path: Path, server: Sink
) -> None:
    place = keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    (place / "msg0000.txt").unlink()
    collect.run(box.node, tmp_path, nobody)
    assert (VoiceMessage.objects.count(), mail.run()) == (1, 1)
    collect.run(box.node, tmp_path, nobody)
    assert VoiceMessage.objects.count() == 0


def test_messages_stay_while_asterisks_folder_is_not_there(box: Mailbox, tmp_path: Path) -> None:
    keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    VoiceMessage.objects.update(mail_due_at=None)
    collect.run(box.node, tmp_path / "not-mounted", nobody)
    assert VoiceMessage.objects.count() == 1


def test_a_mail_that_was_not_taken_is_tried_again_later_and_the_panel_says_why(
    box: Mailbox, tmp_path: Path, server: Sink
) -> None:
    keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    server.refuses = True
    assert (mail.run(), mail.run(), server.letters) == (0, 0, [])
    row = VoiceMessage.objects.get()
    assert ("451" in row.mail_error, row.mail_due_at > timezone.now()) == (True, True)
    server.refuses = False
    VoiceMessage.objects.update(mail_due_at=timezone.now())
    assert (mail.run(), len(server.letters)) == (1, 1)


def test_an_old_message_is_to_be_deleted(box: Mailbox, tmp_path: Path) -> None:
    keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    VoiceMessage.objects.update(received_at=timezone.now() - timedelta(days=91))
    collect.run(box.node, tmp_path, nobody)
    assert VoiceMessage.objects.get().removing


def test_who_may_not_delete_messages_can_not(box: Mailbox, tmp_path: Path) -> None:
    keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    row = VoiceMessage.objects.get()
    may = ["peers.view_voicemessage"]
    viewer = panel.client(panel.person("eve", superuser=False, may=may))
    form = {"action": "remove", "_selected_action": [row.pk]}
    viewer.post("/peers/voicemessage/", form)
    assert viewer.get(f"/peers/voicemessage/{row.pk}/audio.wav").status_code == 200
    assert not VoiceMessage.objects.get().removing


def test_a_message_is_listed_heard_and_deleted_over_the_api(box: Mailbox, tmp_path: Path) -> None:
    keep(tmp_path, TEXT, box=box.key)
    collect.run(box.node, tmp_path, nobody)
    user = api.client(api.operator())
    row = user.get(api.V1 + "voicemail/", {"mailbox": box.pk}).json()["results"][0]
    assert (row["caller"], row["heard"]) == ("+441632960111", False)
    assert user.get(f"{api.V1}voicemail/{row['id']}/audio/").content[:4] == b"RIFF"
    assert user.delete(f"{api.V1}voicemail/{row['id']}/").status_code == 202
    assert VoiceMessage.objects.get().removing
