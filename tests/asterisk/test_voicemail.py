"""A message is left, lights the lamp, is mailed, and is deleted by phone and in the panel."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ddiweb.deploy.models import Node
from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.tone import heard_in
from lab.vendor import FIRST, SERVER, VENDOR_TONE_HZ
from peers.models import Mailbox, VoiceMessage
from peers.realtime.facts import StepFacts
from peers.realtime.mailboxes import MailboxFacts
from peers.voicemail import collect, mail, wishes
from tests import factories
from tests.asterisk.conftest import LONDON, Bench, peer, ring, snapshot
from tests.asterisk.test_routes import announcement
from tests.smtp_sink import Sink, sink

pytestmark = [pytest.mark.asterisk, pytest.mark.django_db]


@pytest.fixture
def box() -> Mailbox:
    return Mailbox.objects.create(node=factories.node(), name="Ada", email="ada@example.net")


@pytest.fixture
def server(settings: Any) -> Iterator[Sink]:
    with sink() as made:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        yield made


def route(bench: Bench, box: Mailbox, *before: StepFacts, sound: str = "") -> None:
    step = StepFacts(9, "voicemail", mailbox=box.key, sound=sound)
    facts = snapshot(peers=(peer(mailboxes=(box.key,)),), steps=(*before, step))
    bench.apply(replace(facts, mailboxes=(MailboxFacts(box.key, "Ada"),)))


def leave(bench: Bench, seconds: float, wait: float = 12.0) -> int:
    """Call London, speak (1000 Hz) for ``seconds``, hang up; the tone heard in the first second."""
    with PjsuaPhone(
        bench.world.ns["vendor"], bench.folder / "mouth", tone_hz=VENDOR_TONE_HZ, address=FIRST,
        port=5060,
    ) as mouth:  # fmt: skip
        mouth.identify("+441632960111", FIRST)
        assert mouth.call(f"sip:{LONDON}@{SERVER}", wait=wait).answered
        heard = mouth.heard(0.8)
        mouth.heard(seconds)
        mouth.hangup()
    return heard.hz


def taken(bench: Bench, node: Node, count: int) -> None:
    """Let the worker look until the panel has ``count`` messages."""

    def there() -> bool:
        collect.run(node, bench.pbx.plan.voicemail, bench.pbx.client)
        return VoiceMessage.objects.count() == count

    wait_until(there, 10, f"{count} messages")


def lamp(phone: PjsuaPhone, text: str) -> None:
    """Wait until the phone's lamp was told ``text`` last."""

    def told() -> bool:
        lamps = phone.state().lamps
        return bool(lamps) and text in lamps[-1]

    wait_until(told, 10, f"the lamp is told {text}")


def test_nobody_answers_and_the_message_is_mailed_lights_the_lamp_and_is_deleted_by_phone(
    bench: Bench, box: Mailbox, server: Sink, tmp_path: Path, phones: Callable[..., PjsuaPhone]
) -> None:
    node = box.node
    route(bench, box, ring(timeout=1), sound=announcement(bench))
    phone = phones("alice")
    phone.answer_with(180)
    assert leave(bench, 2.5) == 700, "the greeting"
    lamp(phone, "Voice-Message: 1/0")
    taken(bench, node, 1)
    row = VoiceMessage.objects.get()
    assert (row.caller, row.number, row.heard) == ("+441632960111", LONDON, False)
    assert 1 <= row.seconds <= 4
    assert (mail.run(), mail.run(), len(server.letters)) == (1, 0, 1)
    letter = server.letters[0]
    assert (letter["To"], letter["Subject"]) == ("ada@example.net", "Voicemail from +441632960111")
    attached = next(letter.iter_attachments())
    file = tmp_path / "attached.wav"
    file.write_bytes(attached.get_content())
    assert heard_in(file).hz == VENDOR_TONE_HZ
    phone.call(f"sip:*97@{SERVER}")
    phone.heard(1.0)
    phone.press("1", 2.0)
    phone.press("7", 1.5)
    phone.hangup()
    lamp(phone, "Messages-Waiting: no")
    taken(bench, node, 0)


def test_a_message_is_deleted_in_the_panel_and_the_lamp_goes_out(
    bench: Bench, box: Mailbox, phones: Callable[..., PjsuaPhone]
) -> None:
    node = box.node
    route(bench, box, sound=announcement(bench))
    phone = phones("alice")
    leave(bench, 2.5)
    taken(bench, node, 1)
    lamp(phone, "Voice-Message: 1/0")
    VoiceMessage.objects.update(mail_due_at=None)
    wishes.remove(VoiceMessage.objects.all())
    taken(bench, node, 0)
    lamp(phone, "Messages-Waiting: no")


def test_an_absent_phone_leaves_the_caller_to_the_voicemail_at_once(
    bench: Bench, box: Mailbox
) -> None:
    route(bench, box, ring(timeout=30), sound=announcement(bench))
    begun = time.monotonic()
    assert leave(bench, 0.1) == 700
    assert time.monotonic() - begun < 8


def test_a_phone_without_a_mailbox_and_another_phone_hear_nothing(
    bench: Bench, box: Mailbox, phones: Callable[..., PjsuaPhone]
) -> None:
    people = (peer(mailboxes=(box.key,)), peer("bob", "peer_2"))
    bench.apply(replace(snapshot(peers=people), mailboxes=(MailboxFacts(box.key, "Ada"),)))
    bob = phones("bob")
    dialled = ["*97", "*971", "*972", "*99", "*97;x=1", f"{box.key}@ddi"]
    assert [bob.call(f"sip:{user}@{SERVER}").status for user in dialled[:4]] == [403] * 4
